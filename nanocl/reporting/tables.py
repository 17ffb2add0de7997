"""Rows to text: one table for accuracy and forgetting, one for drift, one for cost, each under its protocol."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from nanocl.records import Part, RunResult, RunSpec, Summary
from nanocl.records.ranges import one_of
from nanocl.reporting import formats, metrics, notes, statistics
from nanocl.reporting.formats import Table
from nanocl.reporting.metrics import Column
from nanocl.reporting.summaries import as_text, by_protocol, column_name, measure_of, summarise

__all__ = ["FORMATS", "by_protocol", "measure_of", "page", "render", "summarise", "table", "text"]

FORMATS = {"markdown": "md", "csv": "csv", "latex": "tex"}
_TITLES = {"accuracy": "Accuracy and forgetting", "drift": "Parameter drift", "cost": "Cost"}
_CSV = (
    "protocol",
    "benchmark",
    "tier",
    "scenario",
    "measure",
    "strategy",
    "options",
    "recipe",
    "seeds",
    "diverged",
    "kind",
    "metric",
    "n",
    "mean",
    "std",
    "low",
    "high",
)


def render(summaries: Sequence[Summary], kind: str, format: str, width: int = 100) -> str:
    """The tables of one kind, one for each protocol.

    Args:
        summaries: Rows of any protocols.
        kind: `accuracy`, `drift` or `cost`.
        format: `markdown`, `csv`, `latex` or `text`.
        width: Columns of the terminal, for `text`.
    """
    one_of("kind", kind, metrics.KINDS)
    if format == "csv":
        return _csv(summaries, (kind,))
    write = {
        "markdown": formats.markdown,
        "latex": formats.latex,
        "text": lambda t: formats.text(t, width),
    }
    if format not in write:
        raise ValueError(f"format must be markdown, csv, latex or text, got {format!r}")
    return "\n".join(
        write[format](table(rows, kind, brief=format == "text")) for rows in by_protocol(summaries)
    )


def page(summaries: Sequence[Summary], format: str) -> str:
    """The three tables of each protocol in one file: `markdown`, `csv` or `latex`."""
    if format == "csv":
        return _csv(summaries, metrics.KINDS)
    parts = []
    for rows in by_protocol(summaries):
        title = f"# {heading(rows[0].results[0].spec)}\n" if format == "markdown" else ""
        parts += [title, *(render(rows, kind, format) for kind in metrics.KINDS)]
    return "\n".join(filter(None, parts))


def text(summaries: Sequence[Summary], width: int = 100) -> str:
    """The three tables of each protocol for a terminal: the protocol once above them, definitions once at the end."""
    parts: list[str] = []
    definitions: dict[str, None] = {}
    for rows in by_protocol(summaries):
        parts.append(
            "\n".join([*formats.wrapped(protocol_lines(rows), width), *_footnotes(rows)]) + "\n"
        )
        for whole in (table(rows, kind, brief=True) for kind in metrics.KINDS):
            definitions.update(dict.fromkeys(whole.below))
            parts.append(formats.text(replace(whole, above=(), below=()), width))
    return "\n".join([*parts, *formats.wrapped([*definitions], width)])


def table(summaries: Sequence[Summary], kind: str, *, brief: bool = False) -> Table:
    """The rows of one protocol as a table of one kind.

    `brief` leaves out details: options become footnotes, drift is that of the backbone, and of the
    notes only the definitions stay.

    Raises:
        ValueError: Rows of different protocols.
    """
    above = protocol_lines(summaries)
    groups = _groups(summaries, kind)[: 1 if brief else None]
    columns = [
        column
        for column in metrics.columns(kind)
        if not (column.optional and not _defined(summaries, column, groups))
        and not (brief and column.detail)
    ]
    names = _names(summaries, kind, brief)
    rows = tuple(
        (*(name(row, group) for name in names.values()), *_cells(row, columns, group))
        for row in summaries
        for group in groups
    )
    title = f"{_TITLES[kind]} ({groups[0]})" if brief and kind == "drift" else _TITLES[kind]
    return Table(
        title,
        above,
        (*names, *(column.title for column in columns)),
        rows,
        notes.below(summaries, kind, columns, groups, brief),
        len(names),
        f"{kind}-{summaries[0].protocol}",
    )


def protocol_lines(summaries: Sequence[Summary]) -> tuple[str, ...]:
    """What all these rows share, in words.

    Raises:
        ValueError: They do not share a protocol.
    """
    if len({row.protocol for row in summaries}) != 1:
        found = ", ".join(sorted({row.protocol for row in summaries})) or "no rows"
        raise ValueError(f"rows of one table must share a protocol, got {found}")
    spec, training = summaries[0].results[0].spec, summaries[0].results[0].spec.training
    length = (
        f"{training.iterations} mini-batches"
        if training.iterations
        else f"epochs {training.epochs}"
    )
    return (
        f"{heading(spec)}; protocol `{spec.protocol_hash}`",
        f"stream: {_part(spec.stream)}",
        f"model: {_part(spec.model)}",
        f"training of an experience: {length}, batch size {training.batch_size}, head {training.head}, optimizer state "
        f"{training.optimizer_state}, threads {training.threads}, evaluation batch size "
        f"{training.evaluation_batch_size}, measured on the {training.measured_on} data",
        f"data: {data_line(summaries[0].results[0])}",
        f"seeds: {', '.join(map(str, sorted({run.spec.seed for row in summaries for run in row.results})))}",
    )


def heading(spec: RunSpec) -> str:
    """`split-mnist, tier cpu, class-incremental`."""
    return f"{spec.protocol}, tier {spec.tier}, {spec.scenario}-incremental"


def data_line(result: RunResult) -> str:
    """Name, fingerprint and release (`official` or `other`) of each data set."""
    facts = (
        f"{data['name']} `{data['fingerprint']}` ({data.get('release', 'release not recorded')})"
        for data in result.data
    )
    return ", ".join(facts) or "synthetic"


def file_stem(spec: RunSpec) -> str:
    """`split-mnist-cpu-class-1a2b3c4d`: the name of a protocol's files."""
    name = f"{spec.protocol}-{spec.tier}-{spec.scenario}-{spec.protocol_hash}"
    return re.sub(r"^\.|[^\w.+-]", "_", name)


def diverged_cell(row: Summary) -> str:
    """`2/5`: runs that diverged, of all."""
    return f"{len(row.diverged)}/{len(row.results)}" if row.diverged else ""


def _names(
    summaries: Sequence[Summary], kind: str, brief: bool
) -> dict[str, Callable[[Summary, str], str]]:
    """The columns that name a row: header to how it is made of the row and the group of weights."""
    numbers = _footnote_numbers(summaries) if brief else {}
    names = {"strategy": lambda row, group: row.strategy + numbers.get(row.options, "")}
    if any(row.options for row in summaries) and not brief:
        names["options"] = lambda row, group: row.options
    names |= {
        "recipe": lambda row, group: row.options_from,
        "seeds": lambda row, group: str(len(row.seeds)),
    }
    if any(row.diverged for row in summaries):
        names["diverged"] = lambda row, group: diverged_cell(row)
    if kind == "drift" and not brief:
        names["weights"] = lambda row, group: group
    return names


def _footnote_numbers(summaries: Sequence[Summary]) -> dict[str, str]:
    given = dict.fromkeys(row.options for row in summaries if row.options)
    return {options: f" [{number}]" for number, options in enumerate(given, start=1)}


def _footnotes(summaries: Sequence[Summary]) -> Iterator[str]:
    return (
        f"{number.strip()} {options}" for options, number in _footnote_numbers(summaries).items()
    )


def _cells(row: Summary, columns: Sequence[Column], group: str) -> Iterator[str]:
    for column in columns:
        yield formats.mean_and_std(
            row.columns[column_name(column, group)], column.unit, measure_of(row)
        )


def _groups(summaries: Sequence[Summary], kind: str) -> list[str]:
    if kind != "drift":
        return [""]
    found = [
        group
        for group in metrics.GROUPS
        if any(_known(row.columns[f"{group}.l2"]) for row in summaries)
    ]
    return found or ["backbone"]


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _defined(summaries: Sequence[Summary], column: Column, groups: Sequence[str]) -> bool:
    return any(
        _known(row.columns[column_name(column, group)]) for row in summaries for group in groups
    )


def _part(part: Part) -> str:
    options = ", ".join(f"{name}={as_text(value)}" for name, value in part.options.items())
    file = f" (user plugin, hash {part.plugin[:8]})" if part.plugin else ""
    weights = f" (weights {part.weights[:8]})" if part.weights else ""
    here = f" (pretrained here on {part.options['pretrain']})" if part.pretrained_on else ""
    return f"{part.name}{file}{weights}{here}" + (f" with {options}" if options else "")


def _csv(summaries: Sequence[Summary], kinds: Sequence[str]) -> str:
    """One line for each row and metric, the protocols as comment lines above."""
    out = io.StringIO()
    for rows in by_protocol(summaries):
        out.writelines(f"# {line.replace('`', '')}\n" for line in protocol_lines(rows))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV)
    for row in summaries:
        for kind in kinds:
            writer.writerows(_lines(row, kind))
    return out.getvalue()


def _lines(row: Summary, kind: str) -> Iterator[tuple]:
    spec = row.results[0].spec
    start = (
        row.protocol,
        spec.protocol,
        spec.tier,
        spec.scenario,
        measure_of(row),
        row.strategy,
        row.options,
        row.options_from,
        " ".join(map(str, row.seeds)),
        " ".join(map(str, row.diverged)),
        kind,
    )
    for column in metrics.columns(kind):
        for group in metrics.GROUPS if kind == "drift" else ("",):
            name = column_name(column, group)
            known = _known(row.columns[name])
            if known:
                # ten digits: t quantiles differ in the last bits between builds of scipy
                ends = (f"{end:.10g}" for end in statistics.interval(known) or ())
                spread = (statistics.deviation(known), *ends) if len(known) > 1 else ("", "", "")
                yield (*start, name, len(known), statistics.mean(known), *spread)
            elif group in _groups([row], kind):
                yield (*start, name, 0, "", "", "", "")
