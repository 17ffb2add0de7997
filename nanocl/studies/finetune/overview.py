"""The figure of all arms in all settings: what each keeps more than AdamW with one rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from nanocl.reporting.colours import BLACK, BLUE, GREEN, GREY, MARKERS, ORANGE, SKY, VERMILLION
from nanocl.reporting.drawing import WIDTH, content, look
from nanocl.studies.finetune.advantages import FIGURE, Advantage

COLOURS = (BLUE, SKY, VERMILLION, ORANGE, GREEN, BLACK)
ROW = 0.26  # inches of an arm
SPREAD = 0.6  # of a row, over the settings


def draw(rows: Sequence[Advantage], settings: Sequence[str], kind: str = "png") -> dict[str, bytes]:
    """File name to content of the figure.

    Args:
        rows: The arms, from top to bottom.
        settings: Names of the settings, in the order of the legend.
        kind: `png` or `svg`.
    """
    with look():
        return {f"{FIGURE}.{kind}": content(overview(rows, settings), kind)}


def overview(rows: Sequence[Advantage], settings: Sequence[str]) -> Figure:
    """A row for each arm with a mark and its 95 % interval for each setting."""
    height = ROW * len(rows) + 0.9
    figure = Figure(figsize=(1.5 * WIDTH, height), layout="constrained")
    axis: Any = figure.subplots()
    axis.axvline(0, color=GREY, lw=0.6)
    for place, name in enumerate(settings):
        shift = SPREAD * (place / max(len(settings) - 1, 1) - 0.5)
        _draw_setting(axis, rows, name, place, shift)
    axis.set_yticks(range(len(rows)), [row.arm for row in rows])
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel(
        "old-task accuracy at equal new-task accuracy, minus that of\n"
        "AdamW with one learning rate (points, 95 % interval)"
    )
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _draw_setting(
    axis: Any, rows: Sequence[Advantage], name: str, place: int, shift: float
) -> None:
    """Draw the marks of one setting; one without an interval is a mark alone."""
    xs, ys, below, above = [], [], [], []
    for position, row in enumerate(rows):
        one = row.findings.get(name)
        if one is None or one.mean is None:
            continue
        low, high = one.interval or (one.mean, one.mean)
        xs.append(one.mean)
        ys.append(position + shift)
        below.append(one.mean - low)
        above.append(high - one.mean)
    colour = COLOURS[place % len(COLOURS)]
    marker = MARKERS[place % len(MARKERS)]
    axis.errorbar(
        xs, ys, xerr=[below, above], ls="", color=colour, marker=marker, elinewidth=0.7, label=name
    )
