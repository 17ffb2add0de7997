"""Figures of what probes saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from nanocl.reporting.colours import BLACK, DASHES, MARKERS, style
from nanocl.studies.drawing import WIDTH, content, look
from nanocl.studies.mechanism.page import layers_mean, relative_changes
from nanocl.studies.mechanism.probes import Group

SHOWN = 8  # groups in a figure; the page has them all
LAYERS = 6  # layers in a panel


def draw(found: Sequence[Group], kind: str = "png") -> dict[str, bytes]:
    """File name to content, of at most `SHOWN` groups."""
    plans: dict[str, Callable[[Sequence[Group]], Figure]] = {
        "gradient-against-magnitude": hyperbola,
        "ratio": ratio,
        "overlap": overlap,
        "change-by-magnitude": change,
    }
    with look():
        return {
            f"{name}.{kind}": content(plan(found[:SHOWN]), kind) for name, plan in plans.items()
        }


def hyperbola(found: Sequence[Group]) -> Figure:
    """|gradient| against |weight| in tenths of a layer, at the last look; first to last layer from dark to light."""
    figure = Figure(figsize=(WIDTH, 0.6 + 1.75 * -(-len(found) // 2)), layout="constrained")
    axes = figure.subplots(-(-len(found) // 2), 2, squeeze=False).ravel()
    shades = matplotlib.colormaps["cividis"]
    for axis, group in zip(axes, found, strict=False):
        names = _spread(list(group.last().layers))
        for place, name in enumerate(names):
            layer = group.last().layers[name]
            for key, dash in (("gradient", "-"), ("steep", ":")):
                points = [
                    (w, g) for w, g in zip(layer["magnitude"], layer[key], strict=True) if w and g
                ]
                if points:
                    axis.plot(
                        *zip(*points, strict=True),
                        dash,
                        color=shades(place / max(1, len(names) - 1)),
                        marker="." if dash == "-" else None,
                        ms=2.5,
                        lw=0.8,
                    )
        axis.set(xscale="log", yscale="log")
        axis.set(xlim=_decades(axis.get_xlim()), ylim=_decades(axis.get_ylim()))
        axis.set_title(_wrapped(group), pad=2)
        axis.minorticks_off()
    for axis in axes[len(found) :]:
        axis.set_visible(False)
    figure.supxlabel(
        "|weight|, median of each tenth of a layer\nsolid: median, dotted: 99th percentile of |gradient|"
        ";\ndark to light: first to last layer",
        fontsize=7,
    )
    figure.supylabel("|gradient| of a mini-batch's loss", fontsize=7)
    return figure


def ratio(found: Sequence[Group]) -> Figure:
    """Ratio r of each layer at the last look."""
    figure, axis = _one(found)
    for group, line in _lines(found):
        layers = list(group.last().layers.values())
        points = [
            (place / max(1, len(layers) - 1), layer["ratio"])
            for place, layer in enumerate(layers)
            if layer["ratio"]
        ]
        if points:
            axis.plot(*zip(*points, strict=True), **line, label=group.title)
    axis.set(
        yscale="log",
        xlabel="depth of the layer (0: first, 1: last)",
        ylabel="ratio r: |w| at the largest gradients\nover |w| at the others",
    )
    axis.set(ylim=_decades(axis.get_ylim()))
    return _named(figure, axis)


def overlap(found: Sequence[Group]) -> Figure:
    """Overlap of the smallest weights with the largest gradients, over chance, in the last experience."""
    figure, axis = _one(found)
    for group, line in _lines(found):
        seen = [
            (one.step + 1, layers_mean(one, "overlap", "0.1"))
            for one in group.looks
            if one.experience == group.last().experience
        ]
        points = [(step, value / 0.1) for step, value in seen if value is not None]
        axis.plot(*zip(*points, strict=True), **line, label=group.title)
    axis.axhline(1, color=BLACK, lw=0.6, ls=":")
    axis.set(
        xscale="log",
        xlabel="optimizer step of the last experience (dotted: chance)",
        ylabel="largest 10 % of gradients that lie in\nthe smallest 10 % of weights (over chance)",
    )
    return _named(figure, axis)


def change(found: Sequence[Group]) -> Figure:
    """Change in each tenth of a layer by magnitude, over the layer's mean change, in the last experience."""
    figure, axis = _one(found)
    for group, line in _lines(found):
        row = relative_changes(group, max(group.changes))
        if row:
            axis.plot(range(1, 11), row, **line, label=group.title)
    axis.axhline(1, color=BLACK, lw=0.6, ls=":")
    axis.set(
        xlabel="tenth of a layer by magnitude (1: smallest weights)",
        xticks=range(1, 11),
        ylabel="mean absolute change of a weight,\nover the layer's mean",
    )
    return _named(figure, axis)


def _lines(found: Sequence[Group]) -> Iterator[tuple[Group, dict[str, Any]]]:
    """A strategy has its own colour; streams and starts are told apart by marker and dash."""
    places = list(dict.fromkeys((group.spec.protocol, group.start) for group in found))
    for group in found:
        place = places.index((group.spec.protocol, group.start))
        yield (
            group,
            {
                "color": style(group.spec.strategy_name).colour,
                "marker": MARKERS[place % len(MARKERS)],
                "ls": DASHES[place % len(DASHES)],
            },
        )


def _one(found: Sequence[Group]) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, 2.3 + 0.12 * len(found)), layout="constrained")
    return figure, figure.subplots()


def _named(figure: Figure, axis: Any) -> Figure:
    axis.minorticks_off()
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=1)
    return figure


def _wrapped(group: Group) -> str:
    return group.title.replace(" ", "\n", 1)


def _decades(ends: tuple[float, float]) -> tuple[float, float]:
    """Whole powers of ten around an interval, so that every axis has two of them."""
    return 10.0 ** math.floor(math.log10(ends[0])), 10.0 ** math.ceil(math.log10(ends[1]))


def _spread(names: Sequence[str]) -> list[str]:
    """At most `LAYERS` of them, the first and the last among them."""
    if len(names) <= LAYERS:
        return list(names)
    return [names[round(place * (len(names) - 1) / (LAYERS - 1))] for place in range(LAYERS)]
