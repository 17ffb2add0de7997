"""What a call of `run` shows: one screen, best row first, and what it says in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nanocl.records import Summary
from nanocl.records.plain import printable
from nanocl.reporting import formats, metrics, statistics
from nanocl.reporting.columns import Column
from nanocl.reporting.formats import Table
from nanocl.reporting.ranking import Place, Ranking, is_sweep, rank, values_of
from nanocl.reporting.summaries import by_protocol, is_upper_bound, measure_of, results_of

MOST_ROWS = 40
PLAIN = ("adamw", "adam", "sgd")  # learners that the best one is compared with
_VERSION = re.compile(r"(\S+\.)?\(v\d+\) ?")
_RULE = re.compile(r"^(-[- ]+)\n(.*)\n", re.MULTILINE)
NEAR = 0.03  # an accuracy that is so near to that of the last experience alone is no more than it


class Shown(NamedTuple):
    """A column of the screen: what it is in words, its symbol, and where it stands in a row."""

    words: str
    symbol: str
    name: str
    unit: str


def screen(summaries: Sequence[Summary], width: int = 100) -> str:
    """A short table for each protocol.

    Args:
        summaries: Rows of any protocols.
        width: Columns of the terminal.
    """
    return "\n".join(_protocol(rows, width) for rows in by_protocol(summaries))


def _protocol(rows: Sequence[Summary], width: int) -> str:
    ranking = rank(rows)
    places = _ordered(ranking)
    columns = [column for column in _columns(ranking, rows) if _is_measured(column, rows)]
    ordered = [place.row for place in places]
    options = _options(ordered)
    marks = {text: f" [{n}]" for n, text in enumerate(filter(None, dict.fromkeys(options)), 1)}
    names = dict(zip(map(id, ordered), map(marks.get, options), strict=True))
    cells = []
    for place in places[:MOST_ROWS]:
        name = f"{place.row.strategy}{names[id(place.row)] or ''}{_state(place, ranking)}"
        cells.append((name, *_cells(place, columns, ranking)))
    notes = [f"{mark.strip()} {text}" for text, mark in marks.items()]
    if len(places) > MOST_ROWS:
        notes.append(f"{len(places) - MOST_ROWS} more rows: --full")
    header = ("", *(column.words for column in columns))
    symbols = ("", *(column.symbol for column in columns))
    table = Table(_measured_on(rows), (_title(rows),), header, (symbols, *cells), tuple(notes))
    said = formats.wrapped([" ".join(_sentences(ranking, rows))], width)
    return "\n".join([_two_line_header(formats.text(table, width)), *said, ""])


def _two_line_header(text: str) -> str:
    """The first row, which belongs to the header, above the rule."""
    return _RULE.sub(r"\2\n\1\n", text)


def _title(rows: Sequence[Summary]) -> str:
    run = rows[0].results[0]
    spec, count = run.spec, len(run.initial)
    seeds = len({one.spec.seed for one in results_of(rows)})
    return printable(
        f"{spec.protocol}, {spec.scenario}-incremental: {_counted(count, 'experience')}, model "
        f"{spec.model.name}, {_counted(seeds, 'seed')}"
    )


def _measured_on(rows: Sequence[Summary]) -> str:
    data = rows[0].results[0].data
    named = [f"{one['name']} ({one.get('release', 'release not recorded')})" for one in data]
    return printable(
        f"mean ± standard deviation; protocol {rows[0].protocol_hash}, tier "
        f"{rows[0].results[0].spec.tier}, data {', '.join(named) or 'synthetic'}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _ordered(ranking: Ranking) -> list[Place]:
    """Upper bounds first, then the others as they are ranked."""
    return sorted(ranking.places, key=lambda place: not is_upper_bound(place.row.results[0]))


def _columns(ranking: Ranking, rows: Sequence[Summary]) -> Iterator[Shown]:
    score, is_accuracy = ranking.score, measure_of(rows[0]) == "accuracy"
    up, down = ("up", "down") if is_accuracy else ("down", "up")
    what = "accuracy" if is_accuracy else "loss"
    words = {metrics.average_accuracy.name: f"{what} at the end"}.get(score.name, "score")
    yield _shown(f"{words}", score, up)
    if rows[0].results[0].spec.scenario == "class":
        yield _shown("told the task", metrics.masked_accuracy, up)
    if score is not metrics.learning_accuracy:
        yield _shown("just learned", metrics.learning_accuracy, up)
    yield _shown("forgotten", metrics.forgetting, "down" if is_accuracy else down)
    yield Shown("moved", "rel. L2", "backbone.relative", "number")
    yield Shown("state", "B/weight", "state_bytes_per_parameter", "count")


def _shown(words: str, column: Column, direction: str) -> Shown:
    title = column.title.removesuffix(" ACC") if column is metrics.masked_accuracy else column.title
    return Shown(words, f"{title} {direction}", column.name, column.unit)


def _is_measured(column: Shown, rows: Sequence[Summary]) -> bool:
    return any(value is not None for row in rows for value in row.columns[column.name])


def _options(rows: Sequence[Summary]) -> list[str]:
    """The options of each row; versions of algorithms only where they tell rows apart."""
    short = [_VERSION.sub("", row.options).strip() for row in rows]
    names = [(row.strategy, text) for row, text in zip(rows, short, strict=True)]
    return [
        text if names.count(name) == 1 else row.options
        for row, text, name in zip(rows, short, names, strict=True)
    ]


def _cells(place: Place, columns: Sequence[Shown], ranking: Ranking) -> tuple[str, ...]:
    row, measure = place.row, measure_of(place.row)
    return tuple(
        _cell(values_of(row, column.name, ranking.seeds), column.unit, measure)
        for column in columns
    )


def _cell(values: Sequence[float | None], unit: str, measure: str) -> str:
    """Mean and standard deviation; a tenth of a percent is enough to compare by eye."""
    defined = [100 * value for value in values if value is not None]
    if unit != "score" or measure != "accuracy" or len(defined) < len(values) or not defined:
        return formats.mean_and_std(values, unit, measure)
    deviation = statistics.deviation(defined)
    spread = "" if deviation is None else f" ± {deviation:.1f}"
    return f"{statistics.mean(defined):.1f}{spread}"


def _state(place: Place, ranking: Ranking) -> str:
    """What is said behind the name of a row."""
    if is_upper_bound(place.row.results[0]):
        return " (bound)"
    if place.row.diverged:
        return f" (diverged {len(place.row.diverged)}/{len(place.row.results)})"
    if ranking.compared > 1 and place is ranking.places[0]:
        return " (best)"
    return ""


def _sentences(ranking: Ranking, rows: Sequence[Summary]) -> Iterator[str]:
    """What the table says, from its numbers."""
    if is_sweep(rows):
        yield "A sweep: its best point would be chosen on the test data, so nothing is ranked."
        return
    if ranking.compared > 1:
        yield from _comparison(ranking)
    yield from _last_experience(ranking, rows)
    if ranking.preliminary:
        yield f"{_counted(len(ranking.seeds), 'seed')}: no test; --seeds 10 gives one."


def _comparison(ranking: Ranking) -> Iterator[str]:
    """The best row against a plain optimizer, and the rows that are not separable from it."""
    best, *others = ranking.places[: ranking.compared]
    measure = measure_of(best.row)
    unit = "%" if measure == "accuracy" and ranking.score.unit == "score" else ""
    plain = [place for place in others if place.row.strategy in PLAIN]
    plain.sort(key=lambda place: PLAIN.index(place.row.strategy))
    reached = _number(best, ranking)
    if plain:
        difference = abs(statistics.mean(list(plain[0].differences)))
        shown = formats.number(difference, ranking.score.unit, measure)
        yield (
            f"{best.row.strategy} is best ({reached} {unit}".rstrip()
            + f"), {shown} {'points' if unit else ''}".rstrip()
            + f" from {plain[0].row.strategy} ({_number(plain[0], ranking)})."
        )
    else:
        yield f"{best.row.strategy} is best ({reached} {unit}".rstrip() + ")."
    if not ranking.preliminary:
        equal = [place.row.strategy for place in others if not place.separable]
        named = ", ".join(dict.fromkeys(equal))
        yield f"Not separable from it: {named}." if equal else "It is separable from all others."


def _number(place: Place, ranking: Ranking) -> str:
    values = [v for v in values_of(place.row, ranking.score.name, ranking.seeds) if v is not None]
    return formats.number(statistics.mean(values), ranking.score.unit, measure_of(place.row))


def _last_experience(ranking: Ranking, rows: Sequence[Summary]) -> Iterator[str]:
    """Where the task is not told: how many learners know the last experience only."""
    count = len(rows[0].results[0].initial)
    if rows[0].results[0].spec.scenario != "class" or count < 2:
        return
    compared = [place.row for place in ranking.places[: ranking.compared]]
    only_last = [row for row in compared if _knows_last_only(row, count)]
    if only_last:
        yield (
            f"{len(only_last)} of {len(compared)} learners keep no more than the last experience "
            f"(about {100 / count:.0f} %); told the task, they keep what the second column shows."
        )


def _knows_last_only(row: Summary, count: int) -> bool:
    ends = [v for v in row.columns[metrics.average_accuracy.name] if v is not None]
    learned = [v for v in row.columns[metrics.learning_accuracy.name] if v is not None]
    if not ends or not learned:
        return False
    return statistics.mean(ends) < statistics.mean(learned) / count + NEAR
