"""The study's figures, drawn from its records: one column (3.3 inches) wide, the same bytes for the same records."""

from __future__ import annotations

import statistics as plain
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from nanocl.reporting.colours import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, style
from nanocl.studies.drawing import WIDTH, content, look
from nanocl.studies.teacher_student.settings import ARMS, condition_label, label
from nanocl.studies.teacher_student.storage import Record


def draw(
    settings: Sequence[Record], conditions: Sequence[Record], kind: str = "png"
) -> dict[str, bytes]:
    """File name to content, of every figure that the records allow.

    Args:
        settings, conditions: Records.
        kind: `png` or `svg`.
    """
    plans: dict[str, Callable[[], Figure]] = {}
    for entry in settings:
        if label(entry["setting"]) in _PICTURED:
            plans[_PICTURED[label(entry["setting"])]] = lambda entry=entry: neurons(entry)
    if conditions:
        plans["distance-against-epsilon"] = lambda: theorem(conditions)
    angles = [entry for entry in settings if entry["setting"]["angle"] is not None]
    if len(angles) > 1:
        plans["forgetting-against-similarity"] = lambda: similarity(angles)
    alike = [
        entry
        for entry in settings
        if entry["setting"]["extra"] == 1
        and entry["setting"]["angle"] is None
        and entry["setting"]["heads"] == "shared"
    ]
    if len(alike) > 1:
        plans["forgetting-against-learning"] = lambda: exchange(alike)
    with look():
        return {f"{name}.{kind}": content(plan(), kind) for name, plan in plans.items()}


def neurons(entry: Record) -> Figure:
    """Neurons |a| w in the plane before and after each arm, first seed (the paper's Fig. 7)."""
    values = entry["values"]
    panels = {"before": "pretrained on A", **{arm: arm for arm in ARMS if arm in values}}
    known = {name: values[name]["neurons"][0] for name in panels}
    teacher, extra = values["before"]["teacher"][0], entry["setting"]["extra"]
    limit = 1.15 * max(
        1.0, *(max(map(abs, row[:2])) for rows in known.values() if rows for row in rows)
    )
    figure = Figure(figsize=(WIDTH, 3.75), layout="constrained")
    axes = figure.subplots(3, 3, sharex=True, sharey=True).ravel()
    for axis, (name, title) in zip(axes, panels.items(), strict=False):
        shown = teacher[: len(teacher) - extra] if name == "before" else teacher
        for place, (x, y, sign) in enumerate(shown):
            axis.annotate(
                "",
                (x, y),
                (0, 0),
                arrowprops={
                    "arrowstyle": "->",
                    "color": _SIGNS[sign][0],
                    "lw": 0.9,
                    "shrinkA": 0,
                    "shrinkB": 0,
                    "ls": "--" if place >= len(teacher) - extra else "-",
                },
            )
        if name != "before":
            for (x, y, _), (u, v, _) in zip(known["before"], known[name] or [], strict=False):
                axis.plot((x, u), (y, v), color=GREY, lw=0.4, zorder=1)
        for sign, (colour, marker) in _SIGNS.items():
            points = [row[:2] for row in known[name] or [] if row[2] == sign]
            axis.plot(*_columns(points), marker, color=colour, ms=2.8, mec=BLACK, mew=0.3)
        axis.set_title(title if known[name] else f"{title}: diverged", pad=2)
        axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.supxlabel("first coordinate of |a| w", fontsize=7)
    figure.supylabel("second coordinate of |a| w", fontsize=7)
    figure.legend(
        handles=_key(), loc="outside upper center", ncols=4, handlelength=1.4, columnspacing=1
    )
    return figure


def theorem(conditions: Sequence[Record]) -> Figure:
    """Distance of the limit from the new neuron, and the time that learning takes, against epsilon."""
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    looks = iter(
        ((BLUE, "o"), (ORANGE, "s"), (GREY, "x"), (GREEN, "+"), (PURPLE, "2"), (VERMILLION, "1"))
    )
    for entry in conditions:
        colour, marker = next(looks)
        built = entry["condition"]["init_scale"] is None
        for axis, column in ((upper, "distance"), (lower, "time")):
            points = [
                (x, y)
                for xs, ys in zip(entry["values"]["epsilon"], entry["values"][column], strict=True)
                for x, y in zip(xs, ys, strict=True)
                if y is not None
            ]
            text = (
                condition_label(entry["condition"])
                .replace("pretrained from deviation", "pretrained, σ =")
                .replace("dimension", "d =")
            )
            if built:
                _quartiles(axis, points, colour, marker, text)
            else:
                axis.plot(*_columns(points), marker, color=colour, ms=3.5, mew=0.7, label=text)
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
    """Forgetting and learning against the angle between the new and an old neuron of the teacher."""
    ordered = sorted(angles, key=lambda entry: entry["setting"]["angle"])
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    for axis, measure, name in zip(
        panels,
        ("keep_a", "loss_b"),
        (
            "A_keep: error on A of the neurons\nthat had learned it (mean square)",
            "L_B: test error on B\n(mean square)",
        ),
        strict=True,
    ):
        for number, arm in enumerate(ARMS):
            shift = 1.5 * (number - (len(ARMS) - 1) / 2)
            _line(axis, ordered, arm, measure, shift)
        axis.set(yscale="log", ylabel=name)
        axis.minorticks_off()
    panels[1].set(
        xlabel="angle from an old neuron to the new one (degrees)",
        xticks=[entry["setting"]["angle"] for entry in ordered],
    )
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1
    )
    return figure


def exchange(entries: Sequence[Record]) -> Figure:
    """Forgetting against learning: each point is the median of an arm in one setting with one new neuron."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axis = figure.subplots()
    for arm in ARMS:
        look = style(arm)
        points = [
            tuple(_median(entry, arm, measure) for measure in ("loss_b", "keep_a"))
            for entry in entries
        ]
        known = dict.fromkeys(point for point in points if None not in point)
        axis.plot(*_columns(known), look.marker, color=look.colour, label=arm, alpha=0.8, mew=0)
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="L_B: test error on B (mean square)",
        ylabel="A_keep: error on A of the neurons\nthat had learned it (mean square)",
    )
    axis.minorticks_off()
    figure.legend(
        *axis.get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1
    )
    return figure


_PICTURED = {
    "the paper's setting": "neurons-one-new",
    "extra neurons 2, mask share 20 %": "neurons-two-new",
    "refresh every 100 steps": "neurons-one-new-refresh-100",
}


_SIGNS = {1.0: (BLUE, "o"), -1.0: (VERMILLION, "s")}


def _key() -> list[Any]:
    from matplotlib.lines import Line2D

    signs = [
        Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            ls="",
            ms=2.8,
            mec=BLACK,
            mew=0.3,
            label=f"a {than} 0",
        )
        for (colour, marker), than in zip(_SIGNS.values(), "><", strict=True)
    ]
    return [
        *signs,
        Line2D([], [], color=GREY, label="teacher A"),
        Line2D([], [], color=GREY, ls="--", label="new in teacher B"),
    ]


def _line(axis: Any, ordered: Sequence[Record], arm: str, measure: str, shift: float) -> None:
    """Median and quartiles of an arm over the seeds, a little to the side so that arms do not hide each other."""
    look, points = style(arm), []
    for entry in ordered:
        values = [v for v in entry["values"].get(arm, {}).get(measure, ()) if v is not None]
        if len(values) > 1:
            low, middle, high = plain.quantiles(values, n=4, method="inclusive")
            points.append((entry["setting"]["angle"] + shift, middle, middle - low, high - middle))
    if points:
        x, y, low, high = zip(*points, strict=True)
        axis.errorbar(
            x,
            y,
            (low, high),
            color=look.colour,
            marker=look.marker,
            ls=look.dash,
            label=arm,
            elinewidth=0.5,
        )


def _quartiles(
    axis: Any, points: Sequence[tuple[float, float]], colour: str, marker: str, text: str
) -> None:
    groups: dict[float, list[float]] = {}
    for x, y in points:
        groups.setdefault(x, []).append(y)
    axis.plot(*_columns(points), ".", color=colour, ms=1.5, alpha=0.5, mew=0)
    axis.plot(
        list(groups),
        [plain.median(ys) for ys in groups.values()],
        marker=marker,
        color=colour,
        label=text,
    )


def _median(entry: Record, arm: str, measure: str) -> float | None:
    values: Mapping[str, Any] = entry["values"].get(arm, {})
    known = [value for value in values.get(measure, ()) if value is not None]
    return plain.median(known) if known else None


def _columns(points: Collection[Sequence[float]]) -> tuple[Sequence[float], ...]:
    return tuple(zip(*points, strict=True)) if points else ((), ())
