"""The study's figures, drawn from its records; the same records give the same bytes."""

from __future__ import annotations

import statistics as plain
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from nanocl.reporting.colours import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, style
from nanocl.reporting.drawing import WIDTH, content, look
from nanocl.studies.teacher_student.neurons import columns, neurons
from nanocl.studies.teacher_student.pictured import Pictured
from nanocl.studies.teacher_student.settings import ARMS, condition_label
from nanocl.studies.teacher_student.storage import Record

_CONDITIONS = (  # colour and marker of each condition
    (BLUE, "o"),
    (ORANGE, "s"),
    (GREY, "x"),
    (GREEN, "+"),
    (PURPLE, "2"),
    (VERMILLION, "1"),
)
Point = tuple[float, float]


def draw(shown: Pictured, kind: str = "png") -> dict[str, bytes]:
    """File name to content of each figure.

    Args:
        shown: The records of each figure.
        kind: `png` or `svg`.
    """
    plans: dict[str, Callable[[], Figure]] = {
        name: partial(neurons, entry) for name, entry in shown.neurons.items()
    }
    plans["distance-against-epsilon"] = partial(theorem, shown.theorem)
    plans["forgetting-against-similarity"] = partial(similarity, shown.angles)
    plans["forgetting-against-learning"] = partial(exchange, shown.comparable)
    with look():
        return {f"{name}.{kind}": content(plans[name](), kind) for name in shown.names()}


def theorem(conditions: Sequence[Record]) -> Figure:
    """Distance of the limit from the new neuron, and time until it is learned, against epsilon."""
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for entry, (colour, marker) in zip(conditions, _CONDITIONS, strict=False):
        for axis, column in ((upper, "distance"), (lower, "time")):
            _draw_condition(axis, entry, column, colour, marker)
    ends = [1e-6, 0.1]
    upper.plot(ends, ends, ":", color=BLACK, lw=0.8, label="slope 1")
    lower.plot(ends, [5 / end for end in ends], ":", color=BLACK, lw=0.8, label="slope -1")
    upper.set(
        xscale="log",
        yscale="log",
        ylabel="distance of the limit from\nthe new neuron (its length is 1)",
    )
    lower.set(
        xscale="log",
        yscale="log",
        xlabel="ε, largest squared output weight of the spare neurons",
        ylabel="time of gradient flow until\nlearned (learning rate × steps)",
    )
    for axis in (upper, lower):
        axis.minorticks_off()
    figure.legend(*upper.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def similarity(angles: Sequence[Record]) -> Figure:
    """Forgetting and learning against the angle between the new and an old teacher neuron."""
    ordered = sorted(angles, key=lambda entry: entry["setting"]["angle"])
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for number, arm in enumerate(ARMS):
        shift = 1.5 * (number - (len(ARMS) - 1) / 2)
        _draw_arm(upper, ordered, arm, "keep_a", shift)
        _draw_arm(lower, ordered, arm, "loss_b", shift)
    upper.set(
        yscale="log", ylabel="A_keep: error on A of the neurons\nthat had learned it (mean square)"
    )
    lower.set(
        yscale="log",
        ylabel="L_B: test error on B\n(mean square)",
        xlabel="angle from an old neuron to the new one (degrees)",
        xticks=[entry["setting"]["angle"] for entry in ordered],
    )
    for axis in (upper, lower):
        axis.minorticks_off()
    figure.legend(
        *upper.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=4,
        columnspacing=1,
    )
    return figure


def exchange(entries: Sequence[Record]) -> Figure:
    """Forgetting against learning: each point is the median of an arm in one setting."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axis = figure.subplots()
    for arm in ARMS:
        points: dict[Point, None] = {}
        for entry in entries:
            x = _median(entry, arm, "loss_b")
            y = _median(entry, arm, "keep_a")
            if x is not None and y is not None:
                points[x, y] = None
        mark = style(arm)
        axis.plot(
            *columns(points),
            mark.marker,
            color=mark.colour,
            label=arm,
            alpha=0.8,
            mew=0,
        )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="L_B: test error on B (mean square)",
        ylabel="A_keep: error on A of the neurons\nthat had learned it (mean square)",
    )
    axis.minorticks_off()
    figure.legend(
        *axis.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=4,
        columnspacing=1,
    )
    return figure


def _draw_condition(
    axis: Any,
    entry: Record,
    column: str,
    colour: str,
    marker: str,
) -> None:
    """The networks of a condition; for built networks, which share their epsilon, the medians."""
    points = _network_points(entry, column)
    title = (
        condition_label(entry["condition"])
        .replace("pretrained from deviation", "pretrained, σ =")
        .replace("dimension", "d =")
    )
    if entry["condition"]["init_scale"] is None:
        _draw_medians(axis, points, colour, marker, title)
    else:
        axis.plot(
            *columns(points),
            marker,
            color=colour,
            ms=3.5,
            mew=0.7,
            label=title,
        )


def _network_points(entry: Record, column: str) -> list[Point]:
    """(epsilon, value) of every network that has a value."""
    points = []
    values = entry["values"]
    for xs, ys in zip(values["epsilon"], values[column], strict=True):
        points += [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
    return points


def _draw_medians(
    axis: Any,
    points: Iterable[Point],
    colour: str,
    marker: str,
    title: str,
) -> None:
    """The median over the networks of each epsilon, and every network as a dot."""
    points = list(points)
    groups: dict[float, list[float]] = {}
    for x, y in points:
        groups.setdefault(x, []).append(y)
    medians = [plain.median(ys) for ys in groups.values()]
    axis.plot(
        *columns(points),
        ".",
        color=colour,
        ms=1.5,
        alpha=0.5,
        mew=0,
    )
    axis.plot(list(groups), medians, marker=marker, color=colour, label=title)


def _draw_arm(
    axis: Any,
    ordered: Sequence[Record],
    arm: str,
    measure: str,
    shift: float,
) -> None:
    """Median and quartiles of an arm over the seeds, shifted so that arms do not overlap."""
    points = []
    for entry in ordered:
        values = _values(entry, arm, measure)
        if len(values) > 1:
            low, middle, high = plain.quantiles(values, n=4, method="inclusive")
            points.append((entry["setting"]["angle"] + shift, middle, middle - low, high - middle))
    if points:
        x, y, below, above = zip(*points, strict=True)
        mark = style(arm)
        axis.errorbar(
            x,
            y,
            (below, above),
            color=mark.colour,
            marker=mark.marker,
            ls=mark.dash,
            label=arm,
            elinewidth=0.5,
        )


def _values(entry: Record, arm: str, measure: str) -> list[float]:
    values = entry["values"].get(arm, {}).get(measure, ())
    return [value for value in values if value is not None]


def _median(entry: Record, arm: str, measure: str) -> float | None:
    values = _values(entry, arm, measure)
    return plain.median(values) if values else None
