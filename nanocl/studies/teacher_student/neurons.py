"""The figure of the neurons of one network in the plane (the paper's Fig. 7)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nanocl.reporting.colours import BLACK, BLUE, GREY, VERMILLION
from nanocl.reporting.drawing import WIDTH
from nanocl.studies.teacher_student.settings import ARMS
from nanocl.studies.teacher_student.storage import Record

_SIGNS = {1.0: (BLUE, "o"), -1.0: (VERMILLION, "s")}
Rows = Sequence[Sequence[float]]  # two coordinates of |a| w, and the sign of a


def neurons(entry: Record) -> Figure:
    """Neurons |a| w before and after each arm, first seed."""
    values = entry["values"]
    panels = {"before": "pretrained on A", **{arm: arm for arm in ARMS if arm in values}}
    rows = {name: values[name]["neurons"][0] for name in panels}
    teacher = values["before"]["teacher"][0]
    extra = entry["setting"]["extra"]
    figure = Figure(figsize=(WIDTH, 3.75), layout="constrained")
    axes = figure.subplots(3, 3, sharex=True, sharey=True).ravel()
    limit = _limit(rows.values())
    for axis, (name, title) in zip(axes, panels.items(), strict=False):
        shown = teacher[: len(teacher) - extra] if name == "before" else teacher
        _draw_teacher(axis, shown, len(teacher) - extra)
        if name != "before":
            _draw_moves(axis, rows["before"], rows[name] or [])
        _draw_students(axis, rows[name] or [])
        axis.set_title(title if rows[name] else f"{title}: diverged", pad=2)
        axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.supxlabel("first coordinate of |a| w", fontsize=7)
    figure.supylabel("second coordinate of |a| w", fontsize=7)
    figure.legend(
        handles=_key(),
        loc="outside upper center",
        ncols=4,
        handlelength=1.4,
        columnspacing=1,
    )
    return figure


def columns(points: Collection[Sequence[float]]) -> tuple[Sequence[float], ...]:
    """The x and the y values of points."""
    if points:
        return tuple(zip(*points, strict=True))
    return ((), ())


def _limit(panels: Collection[Rows | None]) -> float:
    """Half the width of the panels: all neurons lie within."""
    sizes = [1.0]
    for rows in panels:
        for x, y, _ in rows or []:
            sizes += [abs(x), abs(y)]
    return 1.15 * max(sizes)


def _draw_teacher(axis: Any, rows: Rows, old: int) -> None:
    """An arrow for each neuron of the teacher, dashed for the new ones."""
    for place, (x, y, sign) in enumerate(rows):
        arrow = {
            "arrowstyle": "->",
            "color": _SIGNS[sign][0],
            "lw": 0.9,
            "shrinkA": 0,
            "shrinkB": 0,
            "ls": "--" if place >= old else "-",
        }
        axis.annotate("", (x, y), (0, 0), arrowprops=arrow)


def _draw_moves(axis: Any, before: Rows, after: Rows) -> None:
    for (x, y, _), (u, v, _) in zip(before, after, strict=False):
        axis.plot((x, u), (y, v), color=GREY, lw=0.4, zorder=1)


def _draw_students(axis: Any, rows: Rows) -> None:
    for sign, (colour, marker) in _SIGNS.items():
        points = [row[:2] for row in rows if row[2] == sign]
        axis.plot(
            *columns(points),
            marker,
            color=colour,
            ms=2.8,
            mec=BLACK,
            mew=0.3,
        )


def _key() -> list[Line2D]:
    """The entries of the legend."""
    entries = []
    for (colour, marker), relation in zip(_SIGNS.values(), "><", strict=True):
        entry = Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            ls="",
            ms=2.8,
            mec=BLACK,
            mew=0.3,
        )
        entry.set_label(f"a {relation} 0")
        entries.append(entry)
    return [
        *entries,
        Line2D([], [], color=GREY, label="teacher A"),
        Line2D([], [], color=GREY, ls="--", label="new in teacher B"),
    ]
