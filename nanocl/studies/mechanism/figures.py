"""The figures of the probes: gradient against magnitude, r, overlap and change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from nanocl.reporting.colours import BLACK, DASHES, MARKERS, style
from nanocl.reporting.drawing import WIDTH, content, look
from nanocl.studies.mechanism.groups import Group
from nanocl.studies.mechanism.page import layers_mean, relative_changes

SHOWN = 8  # groups in a figure; the page has them all
LAYERS = 6  # layers in a panel


def draw(probed: Sequence[Group], kind: str = "png") -> dict[str, bytes]:
    """File name to content of each figure, with at most `SHOWN` groups."""
    plans: dict[str, Callable[[Sequence[Group]], Figure]] = {
        "gradient-against-magnitude": hyperbola,
        "ratio": ratio,
        "overlap": overlap,
        "change-by-magnitude": change,
    }
    shown = probed[:SHOWN]
    with look():
        return {f"{name}.{kind}": content(plan(shown), kind) for name, plan in plans.items()}


def hyperbola(probed: Sequence[Group]) -> Figure:
    """|gradient| against |weight| in tenths of a layer, at the last look, a panel for each group.

    The first layer is the darkest.
    """
    rows = -(-len(probed) // 2)
    figure = Figure(figsize=(WIDTH, 0.6 + 1.75 * rows), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).ravel()
    for axis, group in zip(axes, probed, strict=False):
        _draw_layers(axis, group)
    for axis in axes[len(probed) :]:
        axis.set_visible(False)
    figure.supxlabel(
        "|weight|, median of each tenth of a layer\n"
        "solid: median, dotted: 99th percentile of |gradient|;\n"
        "dark to light: first to last layer",
        fontsize=7,
    )
    figure.supylabel("|gradient| of a mini-batch's loss", fontsize=7)
    return figure


def ratio(probed: Sequence[Group]) -> Figure:
    """Ratio r of each layer at the last look."""
    figure, axis = _one_panel(probed)
    for group, line in _lines(probed):
        layers = list(group.last().layers.values())
        depths = [place / max(1, len(layers) - 1) for place in range(len(layers))]
        ratios = [layer["ratio"] for layer in layers]
        points = [(depth, r) for depth, r in zip(depths, ratios, strict=True) if r]
        if points:
            axis.plot(*zip(*points, strict=True), **line, label=group.title)
    axis.set(
        yscale="log",
        xlabel="depth of the layer (0: first, 1: last)",
        ylabel="ratio r: |w| at the largest gradients\nover |w| at the others",
    )
    axis.set(ylim=_decades(axis.get_ylim()))
    return _with_legend(figure, axis)


def overlap(probed: Sequence[Group]) -> Figure:
    """Overlap of the smallest weights with the largest gradients, in the last experience.

    The overlap of independent weights and gradients is 1.
    """
    figure, axis = _one_panel(probed)
    for group, line in _lines(probed):
        last = group.last().experience
        looks = [one for one in group.looks if one.experience == last]
        means = [layers_mean(one, "overlap", "0.1") for one in looks]
        points = [
            (one.step + 1, value / 0.1)
            for one, value in zip(looks, means, strict=True)
            if value is not None
        ]
        axis.plot(*zip(*points, strict=True), **line, label=group.title)
    axis.axhline(1, color=BLACK, lw=0.6, ls=":")
    axis.set(
        xscale="log",
        xlabel="optimizer step of the last experience",
        ylabel="largest 10 % of gradients in the smallest\n10 % of weights (independence: 1)",
    )
    return _with_legend(figure, axis)


def change(probed: Sequence[Group]) -> Figure:
    """Change in each tenth of a layer over the layer's mean change, in the last experience."""
    figure, axis = _one_panel(probed)
    for group, line in _lines(probed):
        row = relative_changes(group, max(group.changes))
        if row:
            axis.plot(range(1, 11), row, **line, label=group.title)
    axis.axhline(1, color=BLACK, lw=0.6, ls=":")
    axis.set(
        xlabel="tenth of a layer by magnitude (1: smallest weights)",
        xticks=range(1, 11),
        ylabel="mean absolute change of a weight,\nover the layer's mean",
    )
    return _with_legend(figure, axis)


def _draw_layers(axis: Any, group: Group) -> None:
    """Median and 99th percentile of |gradient| of some layers of a group."""
    shades = matplotlib.colormaps["cividis"]
    names = _spread(list(group.last().layers))
    for place, name in enumerate(names):
        layer = group.last().layers[name]
        shade = shades(place / max(1, len(names) - 1))
        for key, dash, marker in (("gradient", "-", "."), ("steep", ":", None)):
            pairs = zip(layer["magnitude"], layer[key], strict=True)
            points = [(w, g) for w, g in pairs if w and g]
            if points:
                columns = zip(*points, strict=True)
                axis.plot(
                    *columns,
                    dash,
                    color=shade,
                    marker=marker,
                    ms=2.5,
                    lw=0.8,
                )
    axis.set(xscale="log", yscale="log")
    axis.set(xlim=_decades(axis.get_xlim()), ylim=_decades(axis.get_ylim()))
    axis.set_title(group.title.replace(" ", "\n", 1), pad=2)
    axis.minorticks_off()


def _lines(probed: Sequence[Group]) -> Iterator[tuple[Group, Mapping[str, Any]]]:
    """The line of each group: colour by strategy, marker and dash by stream and start."""
    origins = [(group.spec.protocol, group.start) for group in probed]
    places = list(dict.fromkeys(origins))
    for group, origin in zip(probed, origins, strict=True):
        place = places.index(origin)
        line = {
            "color": style(group.spec.strategy_name).colour,
            "marker": MARKERS[place % len(MARKERS)],
            "ls": DASHES[place % len(DASHES)],
        }
        yield group, line


def _one_panel(probed: Sequence[Group]) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, 2.3 + 0.12 * len(probed)), layout="constrained")
    return figure, figure.subplots()


def _with_legend(figure: Figure, axis: Any) -> Figure:
    axis.minorticks_off()
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=1)
    return figure


def _decades(ends: tuple[float, float]) -> tuple[float, float]:
    """Whole powers of ten around an interval, so that every axis has two of them."""
    return 10.0 ** math.floor(math.log10(ends[0])), 10.0 ** math.ceil(math.log10(ends[1]))


def _spread(names: Sequence[str]) -> list[str]:
    """At most `LAYERS` of the names, evenly spaced, with the first and the last."""
    if len(names) <= LAYERS:
        return list(names)
    return [names[round(place * (len(names) - 1) / (LAYERS - 1))] for place in range(LAYERS)]
