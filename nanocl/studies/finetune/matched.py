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
    accuracies = [point.new for point in points if point.new is not None]
    return max(accuracies, default=None)


def largest_rate(points: Sequence[Point], among: Container[float]) -> float | None:
    """Largest rate of `among` with new-task accuracy within `TOLERANCE` of the sweep's best."""
    top = best(points)
    if top is None:
        return None
    least = top - TOLERANCE
    tolerated = [p.lr for p in points if p.new is not None and p.new >= least]
    shared = [rate for rate in tolerated if rate in among]
    return max(shared, default=None)


def pairs(first: Seeds, second: Seeds) -> dict[int, list[tuple[Reading, Reading]]]:
    """For each seed of both arms, their readings at each of `LEVELS` of the accuracy both reach."""
    readings: dict[int, list[tuple[Reading, Reading]]] = {}
    for seed in _shared(first, second):
        first_best = best(first[seed])
        second_best = best(second[seed])
        if first_best is None or second_best is None:
            continue
        for level in LEVELS:
            new = level * min(first_best, second_best)
            a = reading(first[seed], new)
            b = reading(second[seed], new)
            if a and b:  # always: both reach `new`
                readings.setdefault(seed, []).append((a, b))
    return readings


def old_difference(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Old-task accuracy, `first - second`, at equal new-task accuracy: points, for each seed."""
    differences = []
    for row in pairs(first, second).values():
        gains = [a.old - b.old for a, b in row]
        differences.append(100 * mean(gains))
    return tuple(differences)


def drift_ratio(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Log of the ratio of drifts at equal new-task accuracy, for each seed in which both moved."""
    ratios = []
    for row in pairs(first, second).values():
        if all(a.drift and b.drift for a, b in row):
            logs = [math.log(a.drift / b.drift) for a, b in row]
            ratios.append(mean(logs))
    return tuple(ratios)


def new_difference(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Best new-task accuracy, `first - second`, each at its own best rate: points, by seed."""
    differences = []
    for seed in _shared(first, second):
        a = best(first[seed])
        b = best(second[seed])
        if a is not None and b is not None:
            differences.append(100 * (a - b))
    return tuple(differences)


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
        first_rates = {point.lr for point in first[seed]}
        second_rates = {point.lr for point in second[seed]}
        both = first_rates & second_rates
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
            share = (new - a.new) / (b.new - a.new)
            yield _between(a, b, share)


def _between(a: Reading, b: Reading, share: float) -> Reading:
    def at(first: float, second: float) -> float:
        return first + share * (second - first)

    if a.drift and b.drift:
        drift = math.exp(at(math.log(a.drift), math.log(b.drift)))
    else:
        drift = at(a.drift, b.drift)
    return Reading(
        new=at(a.new, b.new),
        old=at(a.old, b.old),
        drift=drift,
    )
