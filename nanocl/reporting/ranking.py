"""The ranking of the rows of one protocol, with the tests against the best row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nanocl.records import Summary
from nanocl.reporting import statistics
from nanocl.reporting.summaries import is_upper_bound, measure_of

SCORE = "average_accuracy"


@dataclass(frozen=True)
class Place:
    """The place of a row in the ranking.

    Attributes:
        row: The row.
        rank: 1 is best; None if it is not ranked.
        ranks: 95 % interval of the rank, or None.
        differences: Score minus the best row's, over the seeds in common.
        p_value: Holm-corrected, of the test against the best row, or None without a test.
        note: Why it is not ranked, or the outcome of the test.
    """

    row: Summary
    rank: int | None
    ranks: tuple[int, int] | None = None
    differences: tuple[float, ...] = ()
    p_value: float | None = None
    note: str = ""

    @property
    def separable(self) -> bool:
        """Whether the test distinguishes the row from the best."""
        return self.p_value is not None and self.p_value < statistics.LEVEL


def rank(summaries: Sequence[Summary]) -> list[Place]:
    """The rows of one protocol, best first; rows that are not ranked come last."""
    ranked = [row for row in summaries if not _unranked(row)]
    higher = bool(summaries) and measure_of(summaries[0]) == "accuracy"
    scores = {id(row): _scores(row) for row in ranked}
    sign = -1 if higher else 1
    ranked.sort(key=lambda row: sign * statistics.mean(list(scores[id(row)].values())))
    ordered = [scores[id(row)] for row in ranked]
    differences = [statistics.paired(score, ordered[0]) for score in ordered]
    p_values = _p_values(differences)
    intervals = statistics.rank_intervals(ordered, higher=higher) if ranked else []
    places = []
    for number, row in enumerate(ranked, start=1):
        pairs = differences[number - 1]
        p = p_values[number - 1]
        note = _outcome(number, pairs, p)
        places.append(Place(row, number, intervals[number - 1], pairs, p, note))
    for row in summaries:
        if _unranked(row):
            places.append(Place(row, None, note=_unranked(row)))
    return places


def _scores(row: Summary) -> dict[int, float]:
    """Seed to its score."""
    pairs = zip(row.seeds, row.columns[SCORE], strict=True)
    return {seed: score for seed, score in pairs if score is not None}


def _unranked(row: Summary) -> str:
    """Why a row is not ranked; empty for a row that is."""
    if is_upper_bound(row.results[0]):
        return "upper bound, not ranked"
    if row.diverged:
        return f"not ranked: {len(row.diverged)} of {len(row.results)} runs diverged"
    return ""


def _p_values(differences: Sequence[Sequence[float]]) -> list[float | None]:
    """Holm-corrected p-value of each row against the first one.

    None for the first row, and for rows with too few seeds.
    """
    tested = [i for i, pairs in enumerate(differences) if i and _is_testable(pairs)]
    raw = [statistics.sign_flip_p_value(differences[i]) for i in tested]
    corrected = dict(zip(tested, statistics.holm(raw), strict=True))
    return [corrected.get(i) for i in range(len(differences))]


def _is_testable(pairs: Sequence[float]) -> bool:
    """Whether the test can reach the level with these seeds."""
    if len(pairs) < statistics.FEWEST_SEEDS:
        return False
    return statistics.smallest_p_value(len(pairs)) < statistics.LEVEL


def _outcome(number: int, pairs: Sequence[float], p: float | None) -> str:
    if number == 1:
        return "best"
    if p is None:
        seeds = "1 seed" if len(pairs) == 1 else f"{len(pairs)} seeds"
        return f"no test: {seeds} in common with the best"
    return f"p = {p:.3g}" + ("" if p < statistics.LEVEL else ", not separable")
