"""Fronts of arms without a choice on test data: read at levels of new-task accuracy.

Settings are chosen on held-out training data and read on test data. No line is drawn between
settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nanocl.reporting.statistics import mean
from nanocl.studies.finetune.grids import ALONE
from nanocl.studies.finetune.points import Point, Seeds, Sweep

LEVELS = (0.8, 0.9, 0.95)  # shares of the lowest over arms of the best held-out accuracy
BOUND = 1.0  # on the accuracy of joint training, where no arm trains jointly
JOINT = "joint"  # the strategy
NOT_HELD = "no accuracies on held-out data"
View = Callable[[Point], tuple[float | None, float | None]]


def held(point: Point) -> tuple[float | None, float | None]:
    """New- and old-task accuracy on held-out training data: what verdicts choose by."""
    return point.held_new, point.held_old


def tested(point: Point) -> tuple[float | None, float | None]:
    """New- and old-task accuracy on test data: for tables that say so."""
    return point.new, point.old


def reading(points: Sequence[Point], level: float, view: View = held) -> Point | None:
    """Of the settings with at least `level` on the new task, the one best on the old task.

    Both accuracies are those of the view. None if no setting reaches the level.
    """
    reached = [point for point in points if _new(point, view) >= level]
    return max(reached, key=lambda point: (view(point)[1] or 0.0, view(point)[0]), default=None)


def best(points: Sequence[Point], view: View = held) -> Point | None:
    """The setting that learns the new task best in the view; None if none has an accuracy there."""
    defined = [point for point in points if view(point)[0] is not None]
    return max(defined, key=lambda point: view(point), default=None)


def is_edge(point: Point, points: Sequence[Point]) -> bool:
    """Whether a reading lies at the arm's lowest rate; at rate 0 there is no lower one."""
    return point.lr > 0 and point.lr == min(other.lr for other in points)


@dataclass(frozen=True)
class Levels:
    """The levels at which the arms of a sweep are read.

    Attributes:
        by_share: Share of `LEVELS` to seed to its level, for the shares that are judged.
        missing: Why none is, or empty.
    """

    by_share: Mapping[float, Mapping[int, float]]
    missing: str = ""


def levels(sweep: Sweep) -> Levels:
    """The judged levels: those that reach `minimum` and the accuracy of the untrained head.

    A share of `LEVELS` is judged if its levels do so in every seed.
    """
    lowest = _lowest(sweep)
    if not lowest:
        return Levels({}, NOT_HELD)
    least = {seed: max(minimum(sweep, seed), _untrained(sweep, seed)) for seed in lowest}
    judged = {}
    for share in LEVELS:
        row = {seed: share * value for seed, (value, _) in lowest.items()}
        if all(row[seed] >= least[seed] for seed in row):
            judged[share] = row
    if judged:
        return Levels(judged)
    seed = min(lowest, key=lambda one: lowest[one][0])
    value, arm = lowest[seed]
    return Levels(
        {},
        f"the new task is learned too little: the best setting of {arm} reaches {100 * value:.0f} "
        f"% in seed {seed}, and a level must be at least {100 * least[seed]:.0f} %",
    )


def minimum(sweep: Sweep, seed: int) -> float:
    """Half of joint training's accuracy on the new task; half of 100 % where it was not run."""
    reached = [
        top.new or 0.0
        for arm, seeds in sweep.arms.items()
        if is_joint(arm) and (top := best(seeds.get(seed, ()), tested))
    ]
    return 0.5 * max(reached, default=BOUND)


def _lowest(sweep: Sweep) -> dict[int, tuple[float, str]]:
    """Seed to the lowest over arms of the best held-out accuracy, and that arm.

    An arm without the backbone sets no level: at one that head and norms reach alone, no rate of
    the backbone matters. It has a reading where it reaches the level. Nor does an arm of which runs
    are missing, if another has all: its best setting may be to come.
    """
    lowest: dict[int, tuple[float, str]] = {}
    alone = {arm for arm, one in sweep.grids.items() if one.head == ALONE}
    setting = {arm for arm in sweep.arms if arm not in alone and not is_joint(arm)}
    whole = setting - {arm for arm, one in sweep.grids.items() if one.missing}
    for arm in sorted(whole or setting):
        for seed, points in sweep.arms[arm].items():
            top = best(points)
            if top is not None:
                value = (_new(top, held), arm)
                lowest[seed] = min(lowest.get(seed, value), value)
    return lowest


def _untrained(sweep: Sweep, seed: int) -> float:
    """Accuracy on the new task before finetuning, of the arms' mean."""
    values = [point.untrained for seeds in sweep.arms.values() for point in seeds.get(seed, ())]
    return mean(values)


def is_joint(arm: str) -> bool:
    """Whether an arm trains on both tasks."""
    return JOINT in arm.split("+")


def _new(point: Point, view: View) -> float:
    """Below every level where it is not defined."""
    value = view(point)[0]
    return -1.0 if value is None else value


def by_seed(first: Seeds, second: Seeds) -> list[int]:
    """The seeds that both arms ran."""
    return sorted(first.keys() & second.keys())
