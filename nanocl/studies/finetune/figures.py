"""Figures of the finetuning protocols, drawn from their points; means over the seeds with standard errors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure

from nanocl.reporting.colours import BLACK, style
from nanocl.reporting.statistics import deviation, mean
from nanocl.studies.drawing import WIDTH, content, look
from nanocl.studies.finetune.points import Comparison, Point

SELECTIONS = ("nanoadam", "large", "random", "gradient", "static-small", "head+norms")
SHARED = ("adamw", "nanoadam")
Value = Callable[[Point], float | None]
Row = tuple[float, float, float, float]
NEAR = 15.0  # points below the best new-task accuracy, where the figure of the fronts begins


def draw(found: Comparison, kind: str = "png") -> dict[str, bytes]:
    """File name to content.

    Args:
        found: The measured runs of a protocol.
        kind: `png` or `svg`.
    """
    plans = {
        "fronts": fronts,
        "learning-rates": learning_rates,
        "drift": drift,
        "change-by-magnitude": deciles,
    }
    with look():
        return {f"{name}.{kind}": content(plan(found), kind) for name, plan in plans.items()}


def fronts(found: Comparison) -> Figure:
    """Old-task against new-task accuracy: of each arm the learning rates that none of its others beats on both."""
    figure, panels = _panels(found, 6.4)
    top = 0.0
    before = 100 * mean(
        [p.before for seeds in found.arms.values() for points in seeds.values() for p in points]
    )
    for axis, arms in panels:
        for arm in arms:
            rows = _sweep(
                axis, found, arm, lambda p: _percent(p.new), lambda p: _percent(p.old), unbeaten
            )
            top = max([top, *(row[0] + row[2] for row in rows)])
        axis.axhline(before, color=BLACK, lw=0.6, ls=":")
        axis.set(ylabel="accuracy on the old task (%)")
    panels[-1][0].set(
        xlabel="accuracy on the new task (%); dotted: old task before", xlim=(top - NEAR, top + 0.5)
    )
    for axis, _ in panels:
        _fit_height(axis, before)
    return _with_legend(figure, panels)


def unbeaten(curve: Sequence[Row]) -> list[Row]:
    """The rows (new, old, errors) of a curve that no other row beats on both tasks."""
    return [
        row
        for row in curve
        if not any(
            other[0] >= row[0] and other[1] >= row[1] and other[:2] != row[:2] for other in curve
        )
    ]


def learning_rates(found: Comparison) -> Figure:
    """New-task accuracy against the learning rate."""
    figure, panels = _panels(found, 5.2)
    for axis, arms in panels:
        for arm in arms:
            _sweep(axis, found, arm, lambda p: p.lr, lambda p: _percent(p.new))
        axis.set(xscale="log", ylabel="accuracy on the new task (%)")
    panels[-1][0].set(xlabel="learning rate")
    return _with_legend(figure, panels)


def drift(found: Comparison) -> Figure:
    """Distance of the backbone from its start against new-task accuracy."""
    figure, panels = _panels(found, 5.2)
    for axis, arms in panels:
        for arm in arms:
            _sweep(axis, found, arm, lambda p: _percent(p.new), lambda p: p.drift or None)
        axis.set(yscale="log", ylabel="drift of the backbone\n(L2 distance from the start)")
    panels[-1][0].set(xlabel="accuracy on the new task (%)")
    return _with_legend(figure, panels)


def deciles(found: Comparison) -> Figure:
    """Mean change in each tenth of the weights by magnitude, each arm at its best learning rate for the new task."""
    figure, panels = _panels(found, 5.2)
    for axis, arms in panels:
        for arm in arms:
            rows = [
                best.deciles
                for points in found.arms[arm].values()
                if (
                    best := max(
                        (p for p in points if p.new is not None), key=lambda p: p.new, default=None
                    )
                )
            ]
            means = [mean(column) for column in zip(*filter(None, rows), strict=True)]
            if any(means):
                mark = style(arm)
                axis.plot(
                    range(1, 11),
                    [value or math.nan for value in means],
                    color=mark.colour,
                    marker=mark.marker,
                    ls=mark.dash,
                    label=arm,
                )
        axis.set(yscale="log", ylabel="mean absolute change\nof a weight", xticks=range(1, 11))
    panels[-1][0].set(xlabel="tenth of the weights by magnitude (1: smallest)")
    return _with_legend(figure, panels)


def _panels(found: Comparison, height: float) -> tuple[Figure, list[tuple[Any, list[str]]]]:
    """One panel for the selections and one for everything else; `SHARED` stand in both."""
    groups = [
        [arm for arm in found.arms if arm in SELECTIONS or arm in SHARED],
        [arm for arm in found.arms if arm not in SELECTIONS or arm in SHARED],
    ]
    groups = [
        group for group in groups if group and (group is groups[1] or set(group) - set(SHARED))
    ]
    figure = Figure(
        figsize=(WIDTH, height if len(groups) > 1 else height / 2 + 0.4), layout="constrained"
    )
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    return figure, list(zip(axes, groups, strict=True))


def _with_legend(figure: Figure, panels: Sequence[tuple[Any, list[str]]]) -> Figure:
    known: dict[str, Any] = {}
    for axis, _ in panels:
        handles, labels = axis.get_legend_handles_labels()
        known |= {
            label: handle
            for label, handle in zip(labels, handles, strict=True)
            if label not in known
        }
        axis.minorticks_off()
    figure.legend(
        list(known.values()),
        list(known),
        loc="outside upper center",
        ncols=3,
        handlelength=2.6,
        columnspacing=1,
    )
    return figure


def _fit_height(axis: Any, top: float) -> None:
    """Give the axis the height of what stands in its width, up to `top`."""
    left, right = axis.get_xlim()
    heights = [
        y
        for line in axis.lines
        for x, y in zip(*map(list, line.get_data()), strict=True)
        if len(line.get_xdata()) and (left <= x <= right)
    ]
    if heights:
        axis.set_ylim(min(heights) - 3, max(top, *heights) + 1)


def _sweep(
    axis: Any,
    found: Comparison,
    arm: str,
    x: Value,
    y: Value,
    keep: Callable[[Sequence[Row]], list[Row]] = list,
) -> list[Row]:
    """A line for each curve of an arm; a point is the mean over the seeds that did not diverge at a learning rate."""
    mark, named, drawn = style(arm), False, []
    for curve in map(keep, _means(found, arm, x, y)):
        if curve:
            drawn += curve
            places, spreads = zip(*[((a, b), (c, d)) for a, b, c, d in curve], strict=True)
            xs, ys = zip(*places, strict=True)
            across, along = zip(*spreads, strict=True)
            axis.errorbar(
                xs,
                ys,
                along,
                across if any(across) else None,
                color=mark.colour,
                marker=mark.marker,
                ls=mark.dash,
                elinewidth=0.5,
                label=None if named else arm,
            )
            named = True
    return drawn


def _means(found: Comparison, arm: str, x: Value, y: Value) -> list[list[Row]]:
    """For each curve its points: means of x and y, and their standard errors."""
    points = sorted(
        (p for row in found.arms[arm].values() for p in row if p.new is not None),
        key=lambda p: (p.curve, p.lr),
    )
    curves = []
    for _, curve in itertools.groupby(points, key=lambda p: p.curve):
        rows = []
        for _, same in itertools.groupby(curve, key=lambda p: p.lr):
            pairs = [(x(p), y(p)) for p in same]
            pairs = [pair for pair in pairs if None not in pair]
            if pairs:
                columns = list(zip(*pairs, strict=True))
                rows.append((*map(mean, columns), *map(_error, columns)))
        curves.append(rows)
    return curves


def _error(values: Sequence[float]) -> float:
    return (deviation(values) or 0.0) / math.sqrt(len(values))


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
