"""The quantities by which two arms are compared, each one number for each seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nanocl.reporting.statistics import mean
from nanocl.studies import claims
from nanocl.studies.claims import Quantity, Setting
from nanocl.studies.finetune import fronts
from nanocl.studies.finetune.fronts import Levels
from nanocl.studies.finetune.points import Point, Seeds, Sweep
from nanocl.studies.finetune.readings import Chosen, Readings

TOLERANCE = 0.02  # of accuracy: a rate within it of the best one is tolerated
# (levels, first arm, second arm, seed) to the settings that are compared in that seed
Choose = Callable[[Levels, Seeds, Seeds, int], list[Chosen]]
Compare = Callable[[Point, Point], float | None]


@dataclass(frozen=True)
class Measure:
    """A comparison of two arms, positive if the first has what is claimed.

    Attributes:
        words: The compared quantity, with two places for the names of the arms.
        quantity: Makes its quantity from these words.
        choose: The settings of both arms that are compared in a seed.
        compare: From two settings to the signed quantity, or None.
        top: Whether readings at the largest rate that both arms ran are ends of the grid, too.
        moving: Whether only settings count that train the backbone, at a rate above 0.
    """

    words: str
    quantity: Callable[[str], Quantity]
    choose: Choose
    compare: Compare
    top: bool = False
    moving: bool = False

    def setting(self, sweep: Sweep, levels: Levels, first: str, second: str) -> Setting:
        """The comparison of two arms of a sweep, whose levels are given."""
        if levels.missing:
            return Setting(sweep.name, missing=levels.missing)
        arms = self._compared(sweep.arms[first]), self._compared(sweep.arms[second])
        if self.top and len(_rates(arms[0]) & _rates(arms[1])) < 2:
            return Setting(sweep.name, missing="the arms have fewer than 2 rates in common")
        values = {}
        compared: dict[int, list[Chosen]] = {}
        edges: dict[str, int] = {}
        seeds = fronts.by_seed(*arms)
        for seed in seeds:
            chosen = self.choose(levels, *arms, seed)
            differences = [self._difference(pair) for pair in chosen]
            defined = [value for value in differences if value is not None]
            if defined and len(defined) == len(differences):
                values[seed] = mean(defined)
                compared[seed] = chosen
            for arm in self._at_edge(chosen, {first: arms[0][seed], second: arms[1][seed]}):
                edges[arm] = edges.get(arm, 0) + 1
        readings = Readings((first, second), arms, compared, is_best=self.choose is at_best)
        ends = [f"{arm} at an end of its rates in {n} seeds" for arm, n in edges.items()]
        absent = "" if len(values) == len(seeds) else f"{len(values)} of {len(seeds)} seeds"
        return Setting(
            sweep.name,
            values,
            resolution=self._resolution(*arms),
            missing="" if values else "no seed in which both arms have a reading",
            edge=", ".join(filter(None, (*ends, readings.idle))),
            note="; ".join(filter(None, (absent, readings.note))),
        )

    def _compared(self, arm: Seeds) -> Seeds:
        """The settings of an arm that count."""
        if not self.moving:
            return arm
        return {seed: list(filter(_moves, row)) for seed, row in arm.items()}

    def _difference(self, pair: Chosen) -> float | None:
        first, second = pair
        return None if first is None or second is None else self.compare(first, second)

    def _at_edge(
        self, pairs: Sequence[Chosen], arms: Mapping[str, Sequence[Point]]
    ) -> Iterator[str]:
        """The arms of which a chosen setting lies at an end of its rates."""
        ran = [_rates({0: points}) for points in arms.values()]
        both = set.intersection(*ran) or {0.0}
        for place, (arm, points) in enumerate(arms.items()):
            chosen = [point for pair in pairs if (point := pair[place]) is not None]
            low = any(fronts.is_edge(point, points) for point in chosen)
            # a larger rate that the other arm did not run is not looked at
            if low or (self.top and any(point.lr in (min(both), max(both)) for point in chosen)):
                yield arm

    def _resolution(self, first: Seeds, second: Seeds) -> float:
        """How far a ratio of rates may be off: the largest step of the rates that both arms ran."""
        if not self.top:
            return 0.0
        rates = sorted(_rates(first) & _rates(second))
        return max((math.log(b / a) for a, b in itertools.pairwise(rates)), default=0.0)


def _moves(point: Point) -> bool:
    return point.lr > 0


def at_levels(levels: Levels, first: Seeds, second: Seeds, seed: int) -> list[Chosen]:
    """The readings at every judged level."""
    chosen = []
    for row in levels.by_share.values():
        if seed in row:
            a = fronts.reading(first[seed], row[seed])
            chosen.append((a, fronts.reading(second[seed], row[seed])))
    return chosen


def at_best(levels: Levels, first: Seeds, second: Seeds, seed: int) -> list[Chosen]:
    """The settings that learn the new task best."""
    return [(fronts.best(first[seed]), fronts.best(second[seed]))]


def at_largest_rate(levels: Levels, first: Seeds, second: Seeds, seed: int) -> list[Chosen]:
    """Of the rates that both arms ran, the largest that each tolerates."""
    shared = _rates({seed: first[seed]}) & _rates({seed: second[seed]})

    def largest(points: Sequence[Point]) -> Point | None:
        top = fronts.best(points)
        least = (top.held_new or 0.0) - TOLERANCE if top else math.inf
        near = [point for point in points if (point.held_new or 0.0) >= least]
        return max((p for p in near if p.lr in shared), key=lambda p: p.lr, default=None)

    return [(largest(first[seed]), largest(second[seed]))]


def old_gain(first: Point, second: Point) -> float | None:
    """Difference in old-task accuracy on test data, points."""
    if first.old is None or second.old is None:
        return None
    return 100 * (first.old - second.old)


def new_gain(first: Point, second: Point) -> float | None:
    """Difference in new-task accuracy on test data, points."""
    if first.new is None or second.new is None:
        return None
    return 100 * (first.new - second.new)


def less_drift(first: Point, second: Point) -> float | None:
    """Logarithm of the second drift over the first."""
    return math.log(second.drift / first.drift) if first.drift and second.drift else None


def larger_rate(first: Point, second: Point) -> float | None:
    """Logarithm of the first learning rate over the second."""
    return math.log(first.lr / second.lr) if first.lr and second.lr else None


def _rates(seeds: Seeds) -> set[float]:
    return {point.lr for points in seeds.values() for point in points if point.lr > 0}


OLD = Measure(
    "old-task accuracy at equal new-task accuracy, {} - {}", claims.points, at_levels, old_gain
)
TUNED = Measure(
    "old-task accuracy where each learns the new task best, {} - {}",
    claims.points,
    at_best,
    old_gain,
)
NEW = Measure("best new-task accuracy, {} - {}", claims.points, at_best, new_gain)
DRIFT = Measure(
    "L2 drift at equal new-task accuracy, {1} / {0}", claims.ratio, at_levels, less_drift
)
RATE = Measure(
    f"largest learning rate within {100 * TOLERANCE:g} points of the arm's best, {{}} / {{}}",
    claims.ratio,
    at_largest_rate,
    larger_rate,
    top=True,
)
