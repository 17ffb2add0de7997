"""Rows to tables: accuracy and forgetting, drift, and cost, each under its protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nanocl.records import RunSpec, Summary
from nanocl.records.plain import printable
from nanocl.records.ranges import one_of
from nanocl.reporting import captions, comma_separated, formats, inert, metrics, notes
from nanocl.reporting.columns import Column
from nanocl.reporting.formats import Table
from nanocl.reporting.ranking import is_sweep, rank
from nanocl.reporting.summaries import (
    by_protocol,
    column_name,
    measure_of,
    measured_groups,
    summarise,
)

__all__ = ["FORMATS", "by_protocol", "document", "render", "summarise", "table", "text"]

FORMATS = {"markdown": "md", "csv": "csv", "latex": "tex"}
GENERATED_NAME = re.compile(r".*-[0-9a-f]{8}\.(md|csv|tex)")  # a protocol's file, see `file_stem`
_TITLES = {"accuracy": "Accuracy and forgetting", "drift": "Parameter drift", "cost": "Cost"}
_WRITERS = {"markdown": formats.markdown, "latex": formats.latex}
_BAND = "band: rows that share a letter are not separable by the test of all pairs"


def pages(summaries: Sequence[Summary], results_root: Path) -> dict[Path, str]:
    """The tables of each protocol in every format, in `tables/`."""
    written = {}
    for rows in by_protocol(summaries):
        path = results_root / "tables" / file_stem(rows[0].results[0].spec)
        made = _all(rows)
        for format, end in FORMATS.items():
            if format == "csv":
                text = comma_separated.write(rows, metrics.KINDS)
            else:
                text = _document(rows, made, format)
            written[path.parent / f"{path.name}.{end}"] = text
    return written


def render(
    summaries: Sequence[Summary],
    kind: str,
    format: str,
    width: int = 100,
) -> str:
    """The tables of one kind, one for each protocol.

    Args:
        summaries: Rows of any protocols.
        kind: `accuracy`, `drift` or `cost`.
        format: `markdown`, `csv`, `latex` or `text`.
        width: Columns of the terminal, for `text`.
    """
    one_of("kind", kind, metrics.KINDS)
    one_of("format", format, (*FORMATS, "text"))
    if format == "csv":
        return comma_separated.write(summaries, (kind,))
    tables = [table(rows, kind, brief=format == "text") for rows in by_protocol(summaries)]
    if format == "text":
        return "\n".join(formats.text(one, width) for one in tables)
    return "\n".join(map(_WRITERS[format], tables))


def document(summaries: Sequence[Summary], format: str) -> str:
    """The three tables of each protocol in one text: `markdown`, `csv` or `latex`."""
    if format == "csv":
        return comma_separated.write(summaries, metrics.KINDS)
    return "\n".join(_document(rows, _all(rows), format) for rows in by_protocol(summaries))


def _all(rows: Sequence[Summary]) -> list[Table]:
    """The three tables of one protocol."""
    return [table(rows, kind) for kind in metrics.KINDS]


def _document(rows: Sequence[Summary], made: Sequence[Table], format: str) -> str:
    """The tables of one protocol, under its name in Markdown."""
    heading = f"# {inert.markdown(captions.heading(rows[0].results[0].spec))}\n"
    parts = [heading] if format == "markdown" else []
    return "\n".join([*parts, *map(_WRITERS[format], made)])


def text(summaries: Sequence[Summary], width: int = 100) -> str:
    """The three tables of each protocol for a terminal.

    The protocol stands once above its tables, the definitions once at the end.
    """
    parts: list[str] = []
    definitions: dict[str, None] = {}
    for rows in by_protocol(summaries):
        above = [*formats.wrapped(captions.above(rows), width), *_footnotes(rows)]
        parts.append("\n".join(above) + "\n")
        for kind in metrics.KINDS:
            whole = table(rows, kind, brief=True)
            definitions.update(dict.fromkeys(whole.below))
            parts.append(formats.text(replace(whole, above=(), below=()), width))
    return "\n".join([*parts, *formats.wrapped([*definitions], width)])


def table(summaries: Sequence[Summary], kind: str, *, brief: bool = False) -> Table:
    """The rows of one protocol as a table of one kind.

    With `brief`, options become footnotes, drift is that of the backbone, and the only notes are
    the definitions.

    Raises:
        ValueError: Rows of different protocols.
    """
    above = captions.above(summaries)
    groups = measured_groups(summaries, kind)[: 1 if brief else None]
    columns = list(_shown_columns(summaries, kind, groups, brief))
    names = _names(summaries, kind, brief)
    rows = []
    for row in summaries:
        for group in groups:
            cells = [name(row, group) for name in names.values()]
            rows.append((*cells, *_cells(row, columns, group)))
    band_note = [_BAND] if "band" in names else []
    title = f"{_TITLES[kind]} ({groups[0]})" if brief and kind == "drift" else _TITLES[kind]
    return Table(
        title,
        above,
        (*names, *(column.title for column in columns)),
        tuple(rows),
        (*notes.below(summaries, kind, columns, groups, brief), *band_note),
        len(names),
        f"{kind}-{summaries[0].protocol_hash}",
        caption=captions.protocol_lines(summaries)[0],
        bold=_bold_cell(summaries, columns, len(names)) if kind == "accuracy" else None,
    )


def _bold_cell(
    summaries: Sequence[Summary], columns: Sequence[Column], names: int
) -> tuple[int, int] | None:
    """Row and column of the best score, if the test separates it from the second."""
    if is_sweep(summaries):
        return None
    ranking = rank(summaries)
    if ranking.winner is None or ranking.score not in columns:
        return None
    row = next(i for i, row in enumerate(summaries) if row is ranking.winner)
    return row, names + columns.index(ranking.score)


def file_stem(spec: RunSpec) -> str:
    """The name of a protocol's files, such as `split-mnist-cpu-class-1a2b3c4d`."""
    name = f"{spec.protocol}-{spec.tier}-{spec.scenario}-{spec.protocol_hash}"
    return re.sub(r"^\.|[^\w.+-]", "_", name)


def diverged_cell(row: Summary) -> str:
    """Diverged runs of all runs, such as `2/5`; empty if none diverged."""
    return f"{len(row.diverged)}/{len(row.results)}" if row.diverged else ""


def _shown_columns(
    summaries: Sequence[Summary],
    kind: str,
    groups: Sequence[str],
    brief: bool,
) -> Iterator[Column]:
    """The columns without details if `brief`, and without optional ones that no row has."""
    for column in metrics.columns(kind):
        if brief and column.detail:
            continue
        if not column.optional or _is_measured(summaries, column, groups):
            yield column


def _is_measured(summaries: Sequence[Summary], column: Column, groups: Sequence[str]) -> bool:
    for row in summaries:
        for group in groups:
            if any(value is not None for value in row.columns[column_name(column, group)]):
                return True
    return False


def _names(
    summaries: Sequence[Summary],
    kind: str,
    brief: bool,
) -> dict[str, Callable[[Summary, str], str]]:
    """The columns that name a row: header to a function of the row and the group of weights."""
    numbers = _footnote_numbers(summaries) if brief else {}
    names: dict[str, Callable[[Summary, str], str]] = {
        "strategy": lambda row, group: row.strategy + numbers.get(row.options, "")
    }
    if any(row.options for row in summaries) and not brief:
        names["options"] = lambda row, group: row.options
    names["options from"] = lambda row, group: row.options_from
    names["seeds"] = lambda row, group: str(len(row.seeds))
    if any(row.diverged for row in summaries):
        names["diverged"] = lambda row, group: diverged_cell(row)
    bands = _bands(summaries) if kind == "accuracy" else {}
    if any(bands.values()):
        names["band"] = lambda row, group: bands[id(row)] or "-"
    if kind == "drift" and not brief:
        names["weights"] = lambda row, group: group
    return names


def _bands(summaries: Sequence[Summary]) -> dict[int, str]:
    """The letters of each row, by its id; rows that share one are not separable."""
    if is_sweep(summaries):
        return {}
    return {id(place.row): place.band for place in rank(summaries).places}


def _footnote_numbers(summaries: Sequence[Summary]) -> dict[str, str]:
    """Options to the mark of their footnote."""
    options = dict.fromkeys(row.options for row in summaries if row.options)
    return {text: f" [{number}]" for number, text in enumerate(options, start=1)}


def _footnotes(summaries: Sequence[Summary]) -> Iterator[str]:
    for options, number in _footnote_numbers(summaries).items():
        yield printable(f"{number.strip()} {options}")


def _cells(row: Summary, columns: Sequence[Column], group: str) -> Iterator[str]:
    for column in columns:
        values = row.columns[column_name(column, group)]
        measure = measure_of(row)
        if column.interval:
            bounds = column.bounds(measure)
            yield formats.mean_and_interval(values, column.unit, measure, bounds)
        else:
            yield formats.mean_and_std(values, column.unit, measure)
