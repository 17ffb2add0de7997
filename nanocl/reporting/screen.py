"""What a call of `run` shows: one screen, best row first, and what it says in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
TOLD = "told the task"
_VERSION = re.compile(r"(\S+\.)?\(v\d+\) ?")
_RULE = re.compile(r"^(-[- ]+)\n(.*)\n", re.MULTILINE)
FEWEST = 4  # columns that are kept: names, score, learned, forgotten; a narrower table is folded
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
    parts = []
    for rows in by_protocol(summaries):
        table, sentences = _table(rows)
        table = _fitting(table, width)
        said = formats.wrapped([" ".join(sentences)], width)
        parts.append("\n".join([_two_line_header(formats.text(table, width)), *said, ""]))
    return "\n".join(parts)


def html(summaries: Sequence[Summary]) -> str:
    """The same as HTML, for a notebook."""
    parts = []
    for rows in by_protocol(summaries):
        table, said = _table(rows)
        symbols, *cells = table.rows
        header = tuple(map("\n".join, zip(table.header, symbols, strict=True)))
        whole = replace(table, header=header, rows=tuple(cells), below=(*table.below, *said))
        parts.append(formats.html(whole))
    return "\n".join(parts)


def _table(rows: Sequence[Summary]) -> tuple[Table, tuple[str, ...]]:
    """The rows of one protocol, the first of them the symbols of the columns; what it says."""
    ranking = rank(rows)
    places = _ordered(ranking)
    score, *others = _columns(ranking, rows)
    columns = [score, *(column for column in others if _is_measured(column, rows))]
    options = short_options([place.row for place in places])
    marks = {text: f" [{n}]" for n, text in enumerate(filter(None, dict.fromkeys(options)), 1)}
    names = {
        id(place.row): f"{place.row.strategy}{marks.get(text, '')}"
        for place, text in zip(places, options, strict=True)
    }
    best = () if _is_smoke(rows) else _best(ranking)
    cells = []
    for place in places[:MOST_ROWS]:
        state = _state(place, best if ranking.winner or ranking.preliminary else ())
        cells.append((names[id(place.row)] + state, *_cells(place, columns, ranking)))
    notes = [f"{mark.strip()} {text}" for text, mark in marks.items()]
    if len(places) > MOST_ROWS:
        notes.append(f"{len(places) - MOST_ROWS} more rows: --full")
    header = ("", *(column.words for column in columns))
    symbols = ("", *(column.symbol for column in columns))
    table = Table(_measured_on(rows), (_title(rows),), header, (symbols, *cells), tuple(notes))
    return table, tuple(_sentences(ranking, best, columns, names))


def _fitting(table: Table, width: int) -> Table:
    """The table without the last columns that do not fit; the names of these below it."""
    end = len(table.header)
    narrow = table
    while not formats.fits(narrow, width) and end > FEWEST:
        end -= 1
        narrow = replace(
            table, header=table.header[:end], rows=tuple(row[:end] for row in table.rows)
        )
    if narrow is table or not formats.fits(narrow, width):
        return table
    left_out = ", ".join(table.header[end:])
    return replace(narrow, below=(*table.below, f"no room for: {left_out} (--full)"))


def _is_smoke(rows: Sequence[Summary]) -> bool:
    return rows[0].results[0].spec.tier == "smoke"


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
    up = "up" if is_accuracy else "down"
    what = "accuracy" if is_accuracy else "loss"
    words = {metrics.average_accuracy.name: f"{what} at the end"}.get(score.name, "score")
    yield _shown(f"{words}", score, up)
    if rows[0].results[0].spec.scenario == "class":
        yield _shown(TOLD, metrics.masked_accuracy, up)
    if score is not metrics.learning_accuracy:
        yield _shown("just learned", metrics.learning_accuracy, up)
    # of losses, too: positive forgetting is bad for both measures
    yield _shown("forgotten", metrics.forgetting, "down")
    yield Shown("moved", "rel. L2", "backbone.relative", "number")
    yield Shown("state", "B/weight", "state_bytes_per_parameter", "count")


def _shown(words: str, column: Column, direction: str) -> Shown:
    title = column.title.removesuffix(" ACC") if column is metrics.masked_accuracy else column.title
    return Shown(words, f"{title} {direction}", column.name, column.unit)


def _is_measured(column: Shown, rows: Sequence[Summary]) -> bool:
    return any(value is not None for row in rows for value in row.columns[column.name])


def short_options(rows: Sequence[Summary]) -> list[str]:
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


def _best(ranking: Ranking) -> Sequence[Place]:
    """The rows whose score is printed as that of the first; none of a single row or of a sweep."""
    if ranking.compared < 2 or is_sweep([place.row for place in ranking.places]):
        return ()
    compared = ranking.places[: ranking.compared]
    reached = _number(compared[0], ranking)
    return [place for place in compared if _number(place, ranking) == reached]


def _state(place: Place, best: Sequence[Place]) -> str:
    """What is said behind the name of a row."""
    states = []
    if is_upper_bound(place.row.results[0]):
        states.append("bound")
    if place.row.diverged:
        states.append(f"diverged {len(place.row.diverged)}/{len(place.row.results)}")
    if any(place is one for one in best):
        states.append("best")
    elif place.note.startswith("not ranked") and not states:
        states.append("not ranked")
    return f" ({', '.join(states)})" if states else ""


def _sentences(
    ranking: Ranking, best: Sequence[Place], columns: Sequence[Shown], names: Mapping[int, str]
) -> Iterator[str]:
    """What the table says, from its numbers; `names` are those of the rows by their `id`."""
    rows = [place.row for place in ranking.places]
    if is_sweep(rows):
        yield "A sweep: its best point would be chosen on the test data, so nothing is ranked."
        return
    if _is_smoke(rows):
        yield "A smoke run shows that everything works; it is too short to compare learners."
        return
    if best:
        yield _comparison(ranking, best, names)
        if not ranking.preliminary:
            yield _separability(ranking, names)
    yield from _last_experience(ranking, rows, any(column.words == TOLD for column in columns))
    if best and ranking.preliminary:
        yield f"{_counted(len(ranking.seeds), 'seed')}: no test; --seeds 10 gives one."


def _separability(ranking: Ranking, names: Mapping[int, str]) -> str:
    """Which rows the test does not separate from the first."""
    first, *others = ranking.places[: ranking.compared]
    equal = [names[id(place.row)] for place in others if not place.separable]
    if not equal:
        return "It is separable from all others."
    return f"Not separable from {names[id(first.row)]}: {', '.join(equal)}."


def _comparison(ranking: Ranking, best: Sequence[Place], names: Mapping[int, str]) -> str:
    """The best rows against a plain optimizer."""
    measure = measure_of(best[0].row)
    is_percent = measure == "accuracy" and ranking.score.unit == "score"
    unit, points = (" %", " points") if is_percent else ("", "")
    named = " and ".join(names[id(place.row)] for place in best)
    is_one = len(best) == 1
    verb = "is best" if is_one else "are best"
    if not (ranking.winner or ranking.preliminary):  # the test says that another may be as good
        extreme = "highest" if measure == "accuracy" else "lowest"
        verb = f"{'has' if is_one else 'have'} the {extreme} mean"
    sentence = f"{named} {verb} ({_number(best[0], ranking)}{unit})"
    others = ranking.places[len(best) : ranking.compared]
    plain = [place for place in others if place.row.strategy in PLAIN]
    if not plain:
        return f"{sentence}."
    other = min(plain, key=lambda place: PLAIN.index(place.row.strategy))
    difference = abs(statistics.mean(list(other.differences)))
    shown = formats.number(difference, ranking.score.unit, measure)
    return f"{sentence}, {shown}{points} from {names[id(other.row)]} ({_number(other, ranking)})."


def _number(place: Place, ranking: Ranking) -> str:
    values = [v for v in values_of(place.row, ranking.score.name, ranking.seeds) if v is not None]
    return formats.number(statistics.mean(values), ranking.score.unit, measure_of(place.row))


def _last_experience(
    ranking: Ranking, rows: Sequence[Summary], is_told_shown: bool
) -> Iterator[str]:
    """Where the task is not told: how many learners know the last experience only."""
    count = len(rows[0].results[0].initial)
    if rows[0].results[0].spec.scenario != "class" or count < 2:
        return
    compared = [place.row for place in ranking.places[: ranking.compared]]
    only_last = [row for row in compared if _knows_last_only(row, count)]
    if only_last:
        told = f"; {TOLD}, they keep what the second column shows" if is_told_shown else ""
        yield (
            f"{len(only_last)} of {len(compared)} learners keep no more than the last experience "
            f"(about {100 / count:.0f} %){told}."
        )


def _knows_last_only(row: Summary, count: int) -> bool:
    ends = [v for v in row.columns[metrics.average_accuracy.name] if v is not None]
    learned = [v for v in row.columns[metrics.learning_accuracy.name] if v is not None]
    if not ends or not learned:
        return False
    return statistics.mean(ends) < statistics.mean(learned) / count + NEAR
