"""Arms at equal accuracy on the new task: along the sweep of learning rates, seed by seed, so that arms pair."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nanocl.reporting.statistics import mean
from nanocl.studies.finetune.points import Point

LEVELS = (0.9, 0.95, 0.99)  # of the new-task accuracy that both arms of a comparison reach
TOLERANCE = 0.02
Seeds = Mapping[int, Sequence[Point]]


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
    """Where old-task accuracy is highest among all places of the sweep with at least `new` on the new task.

    Places are the points and the straight lines between neighbouring learning rates of a curve; the
    drift is interpolated in its logarithm. None where `new` is not reached.
    """
    places = [place for curve in _curves(points) for place in _places(curve, new)]
    return max(places, key=lambda place: (place.old, place.new), default=None)


def best(points: Sequence[Point]) -> float | None:
    """Highest new-task accuracy of the sweep, None if every run diverged."""
    return max((point.new for point in points if point.new is not None), default=None)


def largest_rate(points: Sequence[Point], among: Container[float]) -> float | None:
    """Largest learning rate of `among` whose new-task accuracy is within `TOLERANCE` of the best of the sweep."""
    top = best(points)
    return max(
        (p.lr for p in points if p.lr in among and p.new is not None and p.new >= top - TOLERANCE),
        default=None,
    )


def pairs(first: Seeds, second: Seeds) -> dict[int, list[tuple[Reading, Reading]]]:
    """For each seed of both arms, their readings at each of `LEVELS` of the accuracy that both reach."""
    found = {}
    for seed in sorted(first.keys() & second.keys()):
        tops = best(first[seed]), best(second[seed])
        if None not in tops:
            found[seed] = [
                (reading(first[seed], level * min(tops)), reading(second[seed], level * min(tops)))
                for level in LEVELS
            ]
    return found


def old_difference(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Old-task accuracy of `first` minus that of `second` at equal new-task accuracy, in points, for each seed."""
    return tuple(
        100 * mean([a.old - b.old for a, b in row]) for row in pairs(first, second).values()
    )


def drift_ratio(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Logarithm of the ratio of their drifts at equal new-task accuracy, for each seed in which both moved."""
    return tuple(
        mean([math.log(a.drift / b.drift) for a, b in row])
        for row in pairs(first, second).values()
        if all(a.drift and b.drift for a, b in row)
    )


def new_difference(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Best new-task accuracy of `first` minus that of `second`, each at its own best rate, in points, for each seed."""
    tops = [
        (best(first[seed]), best(second[seed])) for seed in sorted(first.keys() & second.keys())
    ]
    return tuple(100 * (a - b) for a, b in tops if a is not None and b is not None)


def tuned_difference(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Old-task accuracy of `first` minus that of `second` where each learns the new task best, in points, by seed."""
    places = [
        (
            reading(first[seed], best(first[seed]) or 0.0),
            reading(second[seed], best(second[seed]) or 0.0),
        )
        for seed in sorted(first.keys() & second.keys())
    ]
    return tuple(100 * (a.old - b.old) for a, b in places if a and b)


def rate_ratio(first: Seeds, second: Seeds) -> tuple[float, ...]:
    """Logarithm of the ratio of their largest tolerated learning rates, of those that both ran, for each seed.

    A seed in which an arm tolerates none of these is left out. An arm that tolerates the largest of
    them may tolerate
    more: the ratio is then nearer to 1 than it would be on a wider sweep.
    """
    shared = sorted(first.keys() & second.keys())
    both = {seed: {p.lr for p in first[seed]} & {p.lr for p in second[seed]} for seed in shared}
    rates = [
        (largest_rate(first[seed], both[seed]), largest_rate(second[seed], both[seed]))
        for seed in shared
    ]
    return tuple(math.log(a / b) for a, b in rates if a and b)


def _curves(points: Sequence[Point]) -> Iterator[list[Point]]:
    known = [point for point in points if point.new is not None]
    for _, curve in itertools.groupby(known, key=lambda point: point.curve):
        yield list(curve)


def _places(curve: Sequence[Point], new: float) -> Iterator[Reading]:
    yield from (Reading(p.new, p.old, p.drift) for p in curve if p.new >= new)
    for a, b in itertools.pairwise(curve):
        if (a.new < new) != (b.new < new):
            yield _between(a, b, (new - a.new) / (b.new - a.new))


def _between(a: Point, b: Point, share: float) -> Reading:
    def at(first: float, second: float) -> float:
        return first + share * (second - first)

    drift = (
        math.exp(at(math.log(a.drift), math.log(b.drift)))
        if a.drift and b.drift
        else at(a.drift, b.drift)
    )
    return Reading(at(a.new, b.new), at(a.old, b.old), drift)
