"""Arms compared at equal accuracy on the new task, seed by seed, along the sweep of rates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from nanocl.reporting.statistics import mean
from nanocl.studies.finetune.points import Point, Seeds

LEVELS = (0.9, 0.95, 0.99)  # of the new-task accuracy that both arms of a comparison reach
TOLERANCE = 0.02


@dataclass(frozen=True)
class Reading:
    """A place on a sweep.

    Attributes:
        new, old: Accuracies there.
        drift: L2 distance of the backbone from its start there.
    """

    new: float
    old: float
    drift: float


def reading(points: Sequence[Point], new: float) -> Reading | None:
    """The place with the highest old-task accuracy among those with at least `new` on the new task.

    Places are the points and the straight lines between neighbouring learning rates of a curve.
    Drift is interpolated on a log scale. None if no place reaches `new`.
    """
    places = [place for curve in _curves(points) for place in _places(curve, new)]
    return max(places, key=lambda place: (place.old, place.new), default=None)


def best(points: Sequence[Point]) -> float | None:
    """Highest new-task accuracy of the sweep, None if every run diverged."""
    return max((point.new for point in points if point.new is not None), default=None)


def largest_rate(points: Sequence[Point], among: Container[float]) -> float | None:
    """Largest rate of `among` with new-task accuracy within `TOLERANCE` of the sweep's best."""
    top = best(points)
    if top is None:
        return None
    tolerated = [p.lr for p in points if p.new is not None and p.new >= top - TOLERANCE]
    return max((rate for rate in tolerated if rate in among), default=None)


def pairs(first: Seeds, second: Seeds) -> dict[int, list[tuple[Reading, Reading]]]:
    """For each seed of both arms, their readings at each of `LEVELS` of the accuracy both reach."""
    readings: dict[int, list[tuple[Reading, Reading]]] = {}
    for seed in _shared(first, second):
        tops = best(first[seed]), best(second[seed])
        if tops[0] is None or tops[1] is None:
            continue
        for level in LEVELS:
            new = level * min(tops[0], tops[1])
            a = reading(first[seed], new)
            b = reading(second[seed], new)
            if a and b:  # always: both reach `new`
                readings.setdefault(seed, []).append((a, b))
    return readings


def old_difference(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Old-task accuracy, `first - second`, at equal new-task accuracy: points, for each seed."""
    differences = []
    for row in pairs(first, second).values():
        differences.append(100 * mean([a.old - b.old for a, b in row]))
    return tuple(differences)


def drift_ratio(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Log of the ratio of drifts at equal new-task accuracy, for each seed in which both moved."""
    ratios = []
    for row in pairs(first, second).values():
        if all(a.drift and b.drift for a, b in row):
            ratios.append(mean([math.log(a.drift / b.drift) for a, b in row]))
    return tuple(ratios)


def new_difference(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Best new-task accuracy, `first - second`, each at its own best rate: points, by seed."""
    tops = [(best(first[seed]), best(second[seed])) for seed in _shared(first, second)]
    return tuple(100 * (a - b) for a, b in tops if a is not None and b is not None)


def tuned_difference(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Old-task accuracy, `first - second`, each at its best for the new task: points, by seed."""
    differences = []
    for seed in _shared(first, second):
        a = reading(first[seed], best(first[seed]) or 0.0)
        b = reading(second[seed], best(second[seed]) or 0.0)
        if a and b:
            differences.append(100 * (a.old - b.old))
    return tuple(differences)


def rate_ratio(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Log of the ratio of the largest tolerated rates among those that both ran, by seed.

    A seed is left out if an arm tolerates none of these rates. An arm that tolerates the largest of
    them might tolerate more: the ratio is then closer to 1 than on a wider sweep.
    """
    ratios = []
    for seed in _shared(first, second):
        both = {p.lr for p in first[seed]} & {p.lr for p in second[seed]}
        a = largest_rate(first[seed], both)
        b = largest_rate(second[seed], both)
        if a and b:
            ratios.append(math.log(a / b))
    return tuple(ratios)


def _shared(first: Seeds, second: Seeds) -> list[int]:
    return sorted(first.keys() & second.keys())


def _curves(points: Sequence[Point]) -> Iterator[list[Point]]:
    finished = [point for point in points if point.new is not None]
    for _, curve in itertools.groupby(finished, key=lambda point: point.curve):
        yield list(curve)


def _places(curve: Sequence[Point], new: float) -> Iterator[Reading]:
    """The points that reach `new`, and where the lines between neighbours cross it."""
    places = [Reading(p.new or 0.0, p.old or 0.0, p.drift or 0.0) for p in curve]
    yield from (place for place in places if place.new >= new)
    for a, b in itertools.pairwise(places):
        if (a.new < new) != (b.new < new):
            yield _between(a, b, (new - a.new) / (b.new - a.new))


def _between(a: Reading, b: Reading, share: float) -> Reading:
    def at(first: float, second: float) -> float:
        return first + share * (second - first)

    if a.drift and b.drift:
        drift = math.exp(at(math.log(a.drift), math.log(b.drift)))
    else:
        drift = at(a.drift, b.drift)
    return Reading(at(a.new, b.new), at(a.old, b.old), drift)
