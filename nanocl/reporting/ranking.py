"""The ranking of the rows of one protocol: which rows count, ranks with ties, bands, tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from nanocl.protocols.protocol import at, protocols
from nanocl.records import RunSpec, Summary, UserError
from nanocl.reporting import discriminability, formats, metrics, pairs, statistics
from nanocl.reporting.columns import Column
from nanocl.reporting.discriminability import Discriminability
from nanocl.reporting.summaries import is_upper_bound, measure_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SWEEP = "sweep"


@dataclass(frozen=True)
class Place:
    """The place of a row in the ranking.

    Attributes:
        row: The row.
        rank: 1 is best; None if it has none.
        ranks: 95 % interval of the rank, or None.
        band: Letters; rows that share one cannot be separated. Empty without a test.
        differences: Score minus the best row's, seed by seed.
        p_value: Of the comparison with the best row, adjusted over all pairs; None without a test.
        note: Why it is not ranked, or the outcome of the test.
    """

    row: Summary
    rank: int | None = None
    ranks: tuple[int, int] | None = None
    band: str = ""
    differences: tuple[float, ...] = ()
    p_value: float | None = None
    note: str = ""

    @property
    def separable(self) -> bool:
        """Whether the test distinguishes the row from the best."""
        return self.p_value is not None and self.p_value < statistics.LEVEL


@dataclass(frozen=True)
class Ranking:
    """The rows of one protocol, best first; those that are not compared come last.

    Attributes:
        places: A place for each row.
        score: The column that they are compared by.
        seeds: The seeds that every compared row has.
        compared: Number of compared rows, the first of the places.
        power: What the test separates; None with fewer than 6 seeds or 2 compared rows.
    """

    places: tuple[Place, ...]
    score: Column
    seeds: tuple[int, ...]
    compared: int
    power: Discriminability | None = None

    @property
    def preliminary(self) -> bool:
        """Whether there are too few seeds for any test."""
        return len(self.seeds) < statistics.FEWEST_TESTED

    @property
    def winner(self) -> Summary | None:
        """The best row, if the test separates it from the second."""
        if self.compared < 2 or not self.places[1].separable:
            return None
        return self.places[0].row


def rank(summaries: Sequence[Summary]) -> Ranking:
    """The ranking of the rows of one protocol by its score.

    Compared are rows with all seeds of the board, over these seeds. A row with a diverged or
    missing seed is not: its remaining seeds are a biased sample.
    """
    score = score_of(summaries[0].results[0].spec)
    seeds = _seeds([row for row in summaries if not _excluded(row, score)])
    compared = [row for row in summaries if not _excluded(row, score, seeds)]
    others = [row for row in summaries if _excluded(row, score, seeds)]
    measure = measure_of(summaries[0])
    is_higher_better = measure == "accuracy"
    rows, table = _sorted(compared, score, seeds, is_higher_better)
    power = None
    if len(seeds) < statistics.FEWEST_TESTED or len(rows) < 2:
        places = _untested(rows, table)
    else:
        test = _test(table.tobytes(), len(rows), is_higher_better)
        power = test.power
        places = _tested(rows, table, test.p_values)
        if power.ranks:
            ranks = tied_ranks(_printed(table, score, measure), test.p_values)
            places = _ranked(places, ranks, test.rank_intervals)
    places += [Place(row, note=_excluded(row, score, seeds)) for row in others]
    return Ranking(tuple(places), score, seeds, len(rows), power)


def is_sweep(summaries: Sequence[Summary]) -> bool:
    """Whether the rows are a sweep, whose best one would be chosen on the test data."""
    return any(row.options_from == SWEEP for row in summaries)


def not_ranked(summaries: Sequence[Summary]) -> str:
    """Why no board ranks these rows; empty if one does."""
    if is_sweep(summaries):
        return "a sweep, whose best point would be chosen on test data"
    if summaries[0].results[0].spec.has_own_data:
        return "a stream of the caller's own data, which nobody else has"
    return ""


def score_of(spec: RunSpec) -> Column:
    """The column that a protocol is ranked by: its key `score`, for other protocols ACC."""
    name = metrics.average_accuracy.name
    if spec.protocol in protocols():
        with suppress(UserError):  # a record of a tier that the protocol no longer has
            name = at(protocols()[spec.protocol], spec.tier, spec.scenario)["score"]
    return next(column for column in metrics.columns("accuracy") if column.name == name)


def values_of(row: Summary, name: str, seeds: Sequence[int]) -> list[float | None]:
    """A column at the seeds of the board, or at all seeds of a row that does not have these.

    A board without compared rows has no seeds of its own.
    """
    by_seed = dict(zip(row.seeds, row.columns[name], strict=True))
    wanted = seeds if seeds and by_seed.keys() >= set(seeds) else row.seeds
    return [by_seed[seed] for seed in wanted]


def _seeds(rows: Sequence[Summary]) -> tuple[int, ...]:
    """The seeds of the board: the set that most rows have; of equally common ones the largest."""
    sets = Counter(row.seeds for row in rows)
    if not sets:
        return ()
    return max(sorted(sets), key=lambda seeds: (sets[seeds], len(seeds)))


def _excluded(row: Summary, score: Column, seeds: Sequence[int] = ()) -> str:
    """Why a row is not compared; empty for one that is."""
    if is_upper_bound(row.results[0]):
        return "upper bound, not ranked"
    if row.diverged:
        return f"not ranked: {len(row.diverged)} of {len(row.results)} runs diverged"
    missing = sorted(set(seeds) - set(row.seeds))
    if missing:
        noun = "seed" if len(missing) == 1 else "seeds"
        return f"not ranked: without {noun} {', '.join(map(str, missing))}"
    if None in row.columns[score.name]:
        return f"not ranked: its {score.title} is undefined"
    return ""


def _sorted(
    rows: Sequence[Summary], score: Column, seeds: Sequence[int], is_higher_better: bool
) -> tuple[list[Summary], NDArray]:
    """The rows, best first, and their score for each seed."""
    import numpy as np

    scores = [values_of(row, score.name, seeds) for row in rows]
    table = np.array(scores, dtype=float).reshape(len(rows), len(seeds))
    means = table.mean(axis=1) if rows else table
    order = np.argsort(-means if is_higher_better else means, kind="stable")
    return [rows[i] for i in order], table[order]


def _untested(rows: Sequence[Summary], table: NDArray) -> list[Place]:
    """The places of rows with too few seeds, or of a single row."""
    seeds = table.shape[1]
    places = []
    for row, scores in zip(rows, table, strict=True):
        if seeds < statistics.FEWEST_TESTED:
            note = f"preliminary: {seeds} seed{'' if seeds == 1 else 's'}"
            places.append(Place(row, differences=_differences(scores, table), note=note))
        else:
            places.append(Place(row, rank=1, note="the only row"))
    return places


class _Test(NamedTuple):
    """What the comparison of all pairs says about a table."""

    p_values: NDArray
    power: Discriminability
    rank_intervals: list[tuple[int, int]]


@lru_cache(maxsize=32)  # the pages of a protocol ask for it several times
def _test(table: bytes, rows: int, is_higher_better: bool) -> _Test:
    import numpy as np

    scores = np.frombuffer(table).reshape(rows, -1)
    p_values = pairs.p_values(scores)
    return _Test(
        p_values,
        discriminability.of(scores, p_values),
        statistics.rank_intervals(scores, higher=is_higher_better),
    )


def _tested(rows: Sequence[Summary], table: NDArray, p_values: NDArray) -> list[Place]:
    """The places of the rows with their bands and tests, without ranks."""
    bands = pairs.letters((p_values < statistics.LEVEL).tolist())
    places = []
    for i, row in enumerate(rows):
        p = float(p_values[i, 0]) if i else None
        pair = _differences(table[i], table)
        places.append(Place(row, band=bands[i], differences=pair, p_value=p, note=_outcome(p)))
    return places


def _ranked(
    places: Sequence[Place], ranks: Iterator[int], intervals: Sequence[tuple[int, int]]
) -> list[Place]:
    """The places with ranks and their intervals."""
    return [
        replace(place, rank=rank, ranks=interval)
        for place, rank, interval in zip(places, ranks, intervals, strict=True)
    ]


def _printed(table: NDArray, score: Column, measure: str) -> list[str]:
    """The mean of each row as it is shown."""
    means = map(statistics.mean, table.tolist())
    return [formats.number(mean, score.unit, measure) for mean in means]


def tied_ranks(printed: Sequence[str], p_values: NDArray) -> Iterator[int]:
    """Ranks of rows that are sorted best first.

    A row shares the rank of the rows above if they are printed as the same number and the test
    separates it from none of them.
    """
    first = 0
    for i, text in enumerate(printed):
        is_separable = bool((p_values[i, first:i] < statistics.LEVEL).any())
        if text != printed[first] or is_separable:
            first = i
        yield first + 1


def _differences(scores: NDArray, table: NDArray) -> tuple[float, ...]:
    """Score minus that of the best row, seed by seed."""
    return tuple((scores - table[0]).tolist())


def _outcome(p: float | None) -> str:
    if p is None:
        return "best"
    return f"p = {p:.3g}" + ("" if p < statistics.LEVEL else ", not separable")
