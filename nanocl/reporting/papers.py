"""A table for a paper: chosen columns and rows of a protocol, narrow, with a caption in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from nanocl.records import Summary, UserError
from nanocl.records.ranges import did_you_mean
from nanocl.reporting import formats, metrics, statistics, wording
from nanocl.reporting.columns import Column
from nanocl.reporting.ranking import Ranking, is_sweep, rank
from nanocl.reporting.screen import short_options
from nanocl.reporting.summaries import by_protocol, column_name, is_upper_bound, measure_of

DEFAULT_COLUMNS = ("acc", "forgetting", "relative")
ALIASES = {"task_acc": "masked_accuracy", "state": "state_bytes_per_parameter"}
ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}
SHORTEST_HASH = 4  # digits
Best = Literal["bold", "none"]


@dataclass(frozen=True)
class Choice:
    """What a table shows.

    Attributes:
        columns: Names of metrics, see `shown_columns`.
        rows: Strategies in this order; empty for all, upper bounds first, then best first.
        best: Whether the best of each column is marked.
    """

    columns: tuple[str, ...] = DEFAULT_COLUMNS
    rows: tuple[str, ...] = ()
    best: Best = "bold"


class Shown(NamedTuple):
    """A column as it was named, its metric, and its key in `Summary.columns`."""

    name: str
    column: Column
    key: str


@dataclass(frozen=True)
class PaperTable:
    """The rows of one protocol with the chosen columns.

    Attributes:
        rows: The rows, in the order in which they are shown.
        names: The strategy of each row, with its options where a strategy has several settings.
        columns: The columns.
        best: (row, column) of each cell that is marked.
        absent: Chosen strategies that were not measured under this protocol.
        caption: What it shows, in words.
    """

    rows: tuple[Summary, ...]
    names: tuple[str, ...]
    columns: tuple[Shown, ...]
    best: frozenset[tuple[int, int]]
    absent: tuple[str, ...]
    caption: str


def tables(summaries: Sequence[Summary], choice: Choice) -> list[PaperTable]:
    """A table for each protocol that has a chosen row.

    Raises:
        UserError: No rows at all, or a column or row that does not exist.
    """
    if not summaries:
        raise UserError("no records in the results folder; python -m nanocl.run makes some")
    columns = tuple(map(shown_column, choice.columns))
    known = {row.strategy for row in summaries}
    for name in choice.rows:
        if name not in known:
            raise UserError(f"no row {name!r} among the records{did_you_mean(name, sorted(known))}")
    made = []
    for rows in by_protocol(summaries):
        if not choice.rows or not {row.strategy for row in rows}.isdisjoint(choice.rows):
            made.append(_table(rows, columns, choice))
    return made


def of_protocol(summaries: Sequence[Summary], name: str) -> list[Summary]:
    """The rows of a protocol.

    Args:
        summaries: Rows of any protocols.
        name: A protocol (`split-mnist`), one tier and scenario of it (`split-mnist-cpu-task`) or
            the first digits of its hash.

    Raises:
        UserError: No row has it.
    """
    chosen: list[Summary] = []
    known: dict[str, None] = {}
    for row in summaries:
        spec = row.results[0].spec
        names = (spec.protocol, f"{spec.protocol}-{spec.tier}-{spec.scenario}", row.protocol_hash)
        known |= dict.fromkeys(names)
        if name in names or (len(name) >= SHORTEST_HASH and row.protocol_hash.startswith(name)):
            chosen.append(row)
    if not chosen:
        raise UserError(f"no records of the protocol {name!r}{did_you_mean(name, known)}")
    return chosen


def shown_column(name: str) -> Shown:
    """The metric that a name refers to: its function (`average_accuracy`) or its header (`acc`).

    Drift is that of the backbone, or of a group that is named: `head.l2`.

    Raises:
        UserError: Neither.
    """
    book = _book()
    key = ALIASES.get(name, name).lower()
    if key not in book:
        raise UserError(f"no column {name!r}{did_you_mean(name, [*ALIASES, *book])}")
    column, group = book[key]
    return Shown(name, column, column_name(column, group))


@cache
def _book() -> dict[str, tuple[Column, str]]:
    """Name of a column, in lower case, to its metric and group of weights."""
    book: dict[str, tuple[Column, str]] = {}
    for kind in metrics.KINDS:
        for column in metrics.columns(kind):
            header = re.sub(r"\W+", "_", column.title.lower()).strip("_")
            group = "backbone" if kind == "drift" else ""
            for name in (column.name, header):
                book.setdefault(name, (column, group))
            if kind == "drift":
                book |= {f"{one}.{column.name}": (column, one) for one in metrics.GROUPS}
    return book


def _table(rows: Sequence[Summary], columns: tuple[Shown, ...], choice: Choice) -> PaperTable:
    ranking = None if is_sweep(rows) else rank(rows)
    chosen = _chosen(rows, choice.rows, ranking)
    measured = {row.strategy for row in chosen}
    absent = tuple(name for name in choice.rows if name not in measured)
    best = frozenset(_best(chosen, columns, ranking)) if choice.best == "bold" else frozenset()
    return PaperTable(
        tuple(chosen),
        tuple(_names(chosen)),
        columns,
        best,
        absent,
        " ".join(_caption(chosen, columns, ranking if best else None, bool(best))),
    )


def _names(rows: Sequence[Summary]) -> Iterator[str]:
    """The strategy of each row, with the options that tell it from others of the strategy."""
    settings: dict[str, list[set[str]]] = {}
    options = [text.split() for text in short_options(rows)]
    for row, texts in zip(rows, options, strict=True):
        settings.setdefault(row.strategy, []).append(set(texts))
    for row, texts in zip(rows, options, strict=True):
        shared = set.intersection(*settings[row.strategy])
        yield " ".join((row.strategy, *(text for text in texts if text not in shared)))


def _chosen(
    rows: Sequence[Summary], names: Sequence[str], ranking: Ranking | None
) -> list[Summary]:
    """The rows of these names in their order; without names upper bounds first, then best first."""
    if names:
        return [row for name in names for row in rows if row.strategy == name]
    ordered = [place.row for place in ranking.places] if ranking else list(rows)
    return sorted(ordered, key=lambda row: not is_upper_bound(row.results[0]))


def _best(
    rows: Sequence[Summary], columns: Sequence[Shown], ranking: Ranking | None
) -> Iterator[tuple[int, int]]:
    """The cells that are marked: rows printed with the best mean, upper bounds aside.

    In the column of the score, those that the test does not separate from the best row too.
    """
    measure = measure_of(rows[0])
    bands = {id(place.row): set(place.band) for place in ranking.places} if ranking else {}
    for j, shown in enumerate(columns):
        side = wording.better(shown.column, measure)
        means = _means(rows, shown)
        if not side or not means:
            continue
        first = (max if side == "higher" else min)(means, key=lambda i: means[i])
        printed = cell(rows[first], shown, measure)[0]
        is_score = ranking is not None and shown.column is ranking.score
        letters = bands.get(id(rows[first]), set()) if is_score else set()
        for i in means:
            is_tied = cell(rows[i], shown, measure)[0] == printed
            if i == first or (is_tied and not letters) or letters & bands.get(id(rows[i]), set()):
                yield i, j


def _means(rows: Sequence[Summary], shown: Shown) -> dict[int, float]:
    """Row to mean, of the rows that can be best: not upper bounds, and no run diverged."""
    means = {}
    for i, row in enumerate(rows):
        values = [value for value in row.columns[shown.key] if value is not None]
        if values and not row.diverged and not is_upper_bound(row.results[0]):
            means[i] = statistics.mean(values)
    return means


def cell(row: Summary, shown: Shown, measure: str) -> tuple[str, str]:
    """Mean and standard deviation, or an empty one; percentages have one decimal place."""
    values = [value for value in row.columns[shown.key] if value is not None]
    if not values:
        return "-", ""
    mean, spread = statistics.mean(values), statistics.deviation(values)
    unit = shown.column.unit
    if unit == "share" or (unit == "score" and measure == "accuracy"):
        return f"{100 * mean:.1f}", "" if spread is None else f"{100 * spread:.1f}"
    if spread is None or (unit in ("bytes", "count") and spread <= 1e-3 * abs(mean)):
        return formats.number(mean, unit, measure), ""
    return formats.number(mean, unit, measure), formats.number(spread, unit, measure, like=mean)


def header(shown: Shown, measure: str) -> str:
    """The title of a column with an arrow towards its better side."""
    return shown.column.title + ARROWS[wording.better(shown.column, measure)]


def _caption(
    rows: Sequence[Summary], columns: Sequence[Shown], ranking: Ranking | None, is_marked: bool
) -> Iterator[str]:
    """The protocol, each column in words, and what is bold."""
    run, measure = rows[0].results[0], measure_of(rows[0])
    spec = run.spec
    counts = sorted({len(row.seeds) for row in rows})
    seeds = "-".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    several = "mean ± standard deviation over seeds" if counts[-1] > 1 else "one seed"
    yield (
        f"{spec.protocol} ({spec.scenario}-incremental, {len(run.initial)} experiences, model "
        f"{spec.model.name}), {seeds} seed{'' if counts == [1] else 's'}; {several}."
    )
    for shown in columns:
        percent = " (%)" if _is_percent(shown.column, measure) else ""
        yield f"{shown.column.title}{percent}: {wording.in_words(shown.column, measure)}."
    if is_marked:
        yield "Bold: best in its column, upper bounds aside" + _tested(columns, ranking)
    if any(row.diverged for row in rows):
        yield "Means are over the runs that did not diverge: " + _diverged(rows)
    yield f"Protocol {spec.protocol_hash} of nanocl, tier {spec.tier}."


def _is_percent(column: Column, measure: str) -> bool:
    return column.unit == "share" or (column.unit == "score" and measure == "accuracy")


def _tested(columns: Sequence[Shown], ranking: Ranking | None) -> str:
    """What the test adds to the best of the score's column."""
    if ranking is None or ranking.score not in [shown.column for shown in columns]:
        return "; not tested."
    if ranking.preliminary:
        return f"; not tested with fewer than {statistics.FEWEST_TESTED} seeds."
    return (
        f", and in {ranking.score.title} each row that is not separable from the best; other "
        "columns are not tested."
    )


def _diverged(rows: Sequence[Summary]) -> str:
    parts = [
        f"{row.strategy} {len(row.diverged)} of {len(row.results)}" for row in rows if row.diverged
    ]
    return f"{', '.join(parts)} diverged."
