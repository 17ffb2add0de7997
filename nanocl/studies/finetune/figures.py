"""The figures of a sweep, drawn from its points; means over the seeds with standard errors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from nanocl.reporting.colours import BLACK, style
from nanocl.reporting.drawing import WIDTH, content, look
from nanocl.reporting.plots import unbeaten
from nanocl.reporting.statistics import deviation, mean
from nanocl.studies.finetune.points import Point, Sweep, best_points

SELECTIONS = (
    "nanoadam",
    "large",
    "random",
    "gradient",
    "static-small",
    "static-large",
    "head+norms",
)
FEW = 9  # arms whose names fit in three columns of a legend
SHARED = ("adamw", "nanoadam")
NEAR = 15.0  # points below the best new-task accuracy at which the figure of the fronts begins
Value = Callable[[Point], float | None]
Panels = list[tuple[Any, list[str]]]  # matplotlib's axes and the arms drawn there


class Mark(NamedTuple):
    """A point of a curve: means over the seeds, and their standard errors."""

    x: float
    y: float
    x_error: float
    y_error: float


def draw(sweep: Sweep, kind: str = "png") -> dict[str, bytes]:
    """File name to content of each figure.

    Args:
        sweep: The measured runs of a protocol.
        kind: `png` or `svg`.
    """
    plans = {
        "fronts": fronts,
        "learning-rates": learning_rates,
        "drift": drift,
        "change-by-magnitude": deciles,
    }
    with look():
        return {f"{name}.{kind}": content(plan(sweep), kind) for name, plan in plans.items()}


def fronts(sweep: Sweep) -> Figure:
    """Old-task against new-task accuracy: for each arm the rates that no other of its rates beats.

    One rate beats another if it is at least as accurate on both tasks.
    """
    figure, panels = _panels(sweep, 6.4)
    top = 0.0
    before = 100 * mean([point.before for point in sweep.points()])
    for axis, arms in panels:
        for arm in arms:
            marks = _draw_arm(axis, sweep, arm, _new, lambda p: _percent(p.old), unbeaten)
            top = max([top, *(mark.x + mark.x_error for mark in marks)])
        axis.axhline(before, color=BLACK, lw=0.6, ls=":")
        axis.set(ylabel="accuracy on the old task (%)")
    panels[-1][0].set(
        xlabel="accuracy on the new task (%); dotted: old task before", xlim=(top - NEAR, top + 0.5)
    )
    for axis, _ in panels:
        _fit_height(axis, before)
    return _with_legend(figure, panels)


def learning_rates(sweep: Sweep) -> Figure:
    """New-task accuracy against the learning rate."""
    figure, panels = _panels(sweep, 5.2)
    for axis, arms in panels:
        for arm in arms:
            _draw_arm(axis, sweep, arm, lambda p: p.lr, _new)
        axis.set(ylabel="accuracy on the new task (%)")
        _scale_rates(axis, {point.lr for point in sweep.points()})
    panels[-1][0].set(xlabel="learning rate of the backbone")
    return _with_legend(figure, panels)


def _scale_rates(axis: Any, rates: Collection[float]) -> None:
    """A logarithmic axis of learning rates, with 0 at its left if it is one of them."""
    positive = [rate for rate in rates if rate > 0]
    if 0 in rates and positive:
        axis.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
        axis.set_xlim(-0.1 * min(positive), 1.3 * max(positive))
    elif positive:
        axis.set_xscale("log")


def drift(sweep: Sweep) -> Figure:
    """Distance of the backbone from its start against new-task accuracy."""
    figure, panels = _panels(sweep, 5.2)
    for axis, arms in panels:
        for arm in arms:
            _draw_arm(axis, sweep, arm, _new, lambda p: p.drift or None)
        axis.set(yscale="log", ylabel="drift of the backbone\n(L2 distance from the start)")
    panels[-1][0].set(xlabel="accuracy on the new task (%)")
    return _with_legend(figure, panels)


def deciles(sweep: Sweep) -> Figure:
    """Mean change in each tenth of the weights by magnitude, each arm at its best learning rate."""
    figure, panels = _panels(sweep, 5.2)
    for axis, arms in panels:
        for arm in arms:
            rows = [best.deciles for best in best_points(sweep.arms[arm]) if best.deciles]
            means = [mean(column) for column in zip(*rows, strict=True)]
            if any(means):
                heights = [value or math.nan for value in means]
                axis.plot(range(1, 11), heights, label=arm, **_line(arm))
        axis.set(yscale="log", ylabel="mean absolute change\nof a weight", xticks=range(1, 11))
    panels[-1][0].set(xlabel="tenth of the weights by magnitude (1: smallest)")
    return _with_legend(figure, panels)


def _panels(sweep: Sweep, height: float) -> tuple[Figure, Panels]:
    """One panel for the selections and one for all other arms; `SHARED` arms are in both."""
    selections = [arm for arm in sweep.arms if arm in SELECTIONS or arm in SHARED]
    others = [arm for arm in sweep.arms if arm not in SELECTIONS or arm in SHARED]
    groups = [selections] if set(selections) - set(SHARED) else []
    if others:
        groups.append(others)
    size = (WIDTH, height if len(groups) > 1 else height / 2 + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    return figure, list(zip(axes, groups, strict=True))


def _with_legend(figure: Figure, panels: Panels) -> Figure:
    """The figure with one legend entry for each arm."""
    entries: dict[str, Any] = {}
    for axis, _ in panels:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
        axis.minorticks_off()
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper center",
        ncols=3 if len(entries) <= FEW else 2,
        handlelength=2.6,
        columnspacing=1,
    )
    return figure


def _fit_height(axis: Any, top: float) -> None:
    """Limit the axis to the points within its width, up to at least `top`."""
    left, right = axis.get_xlim()
    heights = []
    for line in axis.lines:
        for x, y in zip(*map(list, line.get_data()), strict=True):
            if left <= x <= right:
                heights.append(y)
    if heights:
        axis.set_ylim(min(heights) - 3, max(top, *heights) + 1)


def _draw_arm(
    axis: Any,
    sweep: Sweep,
    arm: str,
    x: Value,
    y: Value,
    keep: Callable[[Sequence[Mark]], list[Mark]] = list,
) -> list[Mark]:
    """Draw a line for each curve of an arm; returns its points, of those that `keep` keeps."""
    drawn: list[Mark] = []
    for curve in map(keep, _curves(sweep, arm, x, y)):
        if not curve:
            continue
        xs, ys, x_errors, y_errors = zip(*curve, strict=True)
        axis.errorbar(
            xs,
            ys,
            y_errors,
            x_errors if any(x_errors) else None,
            elinewidth=0.5,
            label=None if drawn else arm,  # one entry in the legend for all curves
            **_line(arm),
        )
        drawn += curve
    return drawn


def _curves(
    sweep: Sweep,
    arm: str,
    x: Value,
    y: Value,
) -> list[list[Mark]]:
    """The points of each curve, over the seeds that did not diverge at a learning rate."""
    finished = [point for row in sweep.arms[arm].values() for point in row if point.new is not None]
    finished.sort(key=lambda point: (point.curve, point.lr))
    curves = []
    for _, curve in itertools.groupby(finished, key=lambda point: point.curve):
        by_rate = itertools.groupby(curve, key=lambda point: point.lr)
        marks = [_mark(list(same), x, y) for _, same in by_rate]
        curves.append([mark for mark in marks if mark is not None])
    return curves


def _mark(points: Sequence[Point], x: Value, y: Value) -> Mark | None:
    """The mean over the points at which both values are defined."""
    xs = []
    ys = []
    for point in points:
        across = x(point)
        up = y(point)
        if across is not None and up is not None:
            xs.append(across)
            ys.append(up)
    if xs:
        return Mark(mean(xs), mean(ys), _error(xs), _error(ys))
    return None


def _error(values: Sequence[float]) -> float:
    """Standard error of the mean."""
    return (deviation(values) or 0.0) / math.sqrt(len(values))


def _line(arm: str) -> dict[str, str]:
    mark = style(arm)
    return {
        "color": mark.colour,
        "marker": mark.marker,
        "ls": mark.dash,
    }


def _new(point: Point) -> float | None:
    return _percent(point.new)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
