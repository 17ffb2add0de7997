"""The tables of a sweep's page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp

from nanocl.reporting.formats import pipe_table
from nanocl.reporting.statistics import FEWEST_SEEDS, interval, mean
from nanocl.studies.finetune import fronts, measures
from nanocl.studies.finetune.fronts import Levels
from nanocl.studies.finetune.points import Point, Seeds, Sweep, best_points

REFERENCE = "adamw"
TARGETS = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


def best_rates(sweep: Sweep) -> str:
    """Each arm where it learns the new task best, seed by seed."""
    header = (
        "arm",
        "learning rate",
        "new task",
        "old task",
        "drift",
        "mean drift of a tensor",
        "tolerated rates",
    )
    rows = []
    for arm, seeds in sweep.arms.items():
        tops = best_points(seeds)
        chosen = sorted({point.lr for point in tops})
        rates = "/".join(f"{rate:g}" for rate in chosen)
        tensor_drift = _cell((point.tensor_drift for point in tops), "{:.3g}")
        rows.append((arm, rates, *_outcome(tops), tensor_drift, _tolerated(seeds)))
    return pipe_table(header, rows)


def at_targets(sweep: Sweep, quantity: str) -> str:
    """`old` accuracy or `drift` of each arm at shares of the reference's best accuracy."""
    reference = sweep.arms[REFERENCE]
    rows = []
    for arm, seeds in sweep.arms.items():
        cells = [_at_target(seeds, reference, target, quantity) for target in TARGETS]
        rows.append((arm, *cells))
    return pipe_table(("arm", *(f"{100 * target:g} %" for target in TARGETS)), rows)


def against_reference(sweep: Sweep) -> str:
    """Each arm against the reference, at the accuracy that both reach."""
    header = ("arm", "old task, points", "drift, ratio", "best new task, points")
    reference = sweep.arms[REFERENCE]
    rows = []
    for arm, seeds in sweep.arms.items():
        if arm != REFERENCE:
            compared = [_compared(seeds[s], reference[s]) for s in fronts.by_seed(seeds, reference)]
            old, drift, new = zip(*compared, strict=True) if compared else ((), (), ())
            cells = (_cell(old, "{:+.2f}"), _cell(drift, "{:.3g}", exp), _cell(new, "{:+.2f}"))
            rows.append((arm, *cells))
    return pipe_table(header, rows)


def readings(sweep: Sweep, levels: Levels) -> str:
    """New- and old-task accuracy of each arm at each judged level."""
    shares = [f"{100 * share:g} %: {task}" for share in levels.by_share for task in ("new", "old")]
    rows = []
    for arm, seeds in sweep.arms.items():
        cells: list[str] = []
        for row in levels.by_share.values():
            cells += _reading(seeds, row)
        rows.append((arm, *cells))
    return pipe_table(("arm", *shares), rows)


def _reading(seeds: Seeds, level: Mapping[int, float]) -> tuple[str, str]:
    """Both accuracies of an arm at a level: over the seeds with a reading, which are counted."""
    shared = sorted(seeds.keys() & level.keys())
    places = {seed: fronts.reading(seeds[seed], level[seed]) for seed in shared}
    reached = {seed: place for seed, place in places.items() if place is not None}
    if not reached:
        return "–", "–"
    edges = sum(fronts.is_edge(place, seeds[seed]) for seed, place in reached.items())
    notes = [f"edge in {edges}"] if edges else []
    if len(reached) < len(shared):
        notes.insert(0, f"{len(reached)} of {len(shared)}")
    note = f" ({', '.join(notes)})" if notes else ""
    new = _cell(_percent(place.new for place in reached.values()))
    return new, _cell(_percent(place.old for place in reached.values())) + note


def _compared(
    first: Sequence[Point], second: Sequence[Point]
) -> tuple[float | None, float | None, float | None]:
    """Old-task points, log ratio of drifts and best new-task points of two arms in one seed."""
    tops = fronts.best(first, fronts.tested), fronts.best(second, fronts.tested)
    if tops[0] is None or tops[1] is None:
        return None, None, None
    most = min(tops[0].new or 0.0, tops[1].new or 0.0)
    old, drift = [], []
    for level in fronts.LEVELS:
        a = fronts.reading(first, level * most, fronts.tested)
        b = fronts.reading(second, level * most, fronts.tested)
        if a and b:  # always: both reach it
            old.append(measures.old_gain(a, b) or 0.0)
            drift.append(measures.less_drift(b, a))
    ratios = [value for value in drift if value is not None]
    both_moved = len(ratios) == len(drift)
    return mean(old), mean(ratios) if both_moved else None, measures.new_gain(tops[0], tops[1])


def every_point(sweep: Sweep) -> str:
    """Every learning rate of every arm, means over the seeds."""
    header = ("arm", "learning rate", "new task", "old task", "drift", "seeds", "diverged")
    rows = []
    for arm, seeds in sweep.arms.items():
        points = [point for row in seeds.values() for point in row]
        for curve, rate in sorted({(point.curve, point.lr) for point in points}):
            same = [point for point in points if (point.curve, point.lr) == (curve, rate)]
            finished = [point for point in same if point.new is not None]
            name = f"{rate:g} {curve}" if curve else f"{rate:g}"
            diverged = len(same) - len(finished)
            counts = (str(len(same)), str(diverged) if diverged else "")
            rows.append((arm, name, *_outcome(finished), *counts))
    return pipe_table(header, rows)


def _outcome(points: Sequence[Point]) -> tuple[str, str, str]:
    """New-task accuracy, old-task accuracy and drift."""
    return (
        _cell(_percent(point.new for point in points)),
        _cell(_percent(point.old for point in points)),
        _cell((point.drift for point in points), "{:.3g}"),
    )


def _at_target(
    seeds: Seeds,
    reference: Seeds,
    target: float,
    quantity: str,
) -> str:
    shared = sorted(seeds.keys() & reference.keys())
    places = []
    for seed in shared:
        best = fronts.best(reference[seed], fronts.tested)
        # an accuracy of 2 is never reached: there is no target if the reference diverged
        level = target * (best.new or 0.0) if best else 2.0
        place = fronts.reading(seeds[seed], level, fronts.tested)
        if place is not None:
            places.append(place)
    if not places:
        return "–"
    if len(places) < len(shared):
        return f"– ({len(places)} of {len(shared)})"
    if quantity == "old":
        return _cell(_percent(place.old for place in places))
    return _cell((place.drift for place in places), "{:.3g}")


def _tolerated(seeds: Seeds) -> str:
    """The rates whose mean new-task accuracy is within `TOLERANCE` of the best.

    The mean takes the best curve of each seed, and only rates at which no seed diverged. `≤` and
    `≥` mark the ends of the sweep: smaller or larger rates might be tolerated too.
    """
    rates = sorted({point.lr for points in seeds.values() for point in points})
    means = {}
    for rate in rates:
        tops = [_best_at(points, rate) for points in seeds.values()]
        reached = [top for top in tops if top is not None]
        if reached and len(reached) == len(tops):
            means[rate] = mean(reached)
    if not means:
        return "–"
    least = max(means.values()) - measures.TOLERANCE
    good = [rate for rate, value in means.items() if value >= least]
    low = f"≤ {good[0]:g}" if good[0] == rates[0] else f"{good[0]:g}"
    high = f"≥ {good[-1]:g}" if good[-1] == rates[-1] else f"{good[-1]:g}"
    if good[0] < good[-1]:
        return f"{low} to {high}"
    return max(low, high, key=len)


def _best_at(points: Sequence[Point], rate: float) -> float | None:
    best = fronts.best([point for point in points if point.lr == rate], fronts.tested)
    return best.new if best else None


def _percent(shares: Iterable[float | None]) -> list[float]:
    return [100 * share for share in shares if share is not None]


def _cell(
    values: Iterable[float | None],
    form: str = "{:.2f}",
    shown: Callable[[float], float] = float,
) -> str:
    """Mean and, from 3 values on, its interval; `shown` is applied to each of the three numbers."""
    defined = [value for value in values if value is not None]
    if not defined:
        return "–"
    ends = interval(defined) if len(defined) >= FEWEST_SEEDS else None
    middle = form.format(shown(mean(defined)))
    return (
        middle if ends is None else f"{middle} [{', '.join(form.format(shown(e)) for e in ends)}]"
    )
