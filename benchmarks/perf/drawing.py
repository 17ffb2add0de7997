"""Measured rows as Markdown tables and as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rivals import BASE, Rival
from timing import Row

from nanocl.reporting import colours

EDGE = 0.05  # bytes a parameter at which states of no bytes are drawn
COLUMNS = (
    "optimizer",
    "ms a step",
    "AdamW's ms",
    "alternating",
    "repeated",
    "selection, ms",
    "in AdamW steps",
    "amortised",
    "state, B/param",
    "peak, B/param",
)
HEADER = f"| {' | '.join(COLUMNS)} |\n|---|{'--:|' * (len(COLUMNS) - 1)}"
# how the numbers of a table were measured
NOTE = (
    f"Ratios are to `{BASE}` in the same process, medians over rounds. Alternating (cold cache): "
    "the optimizer and AdamW take steps alternately, so that neither finds its data in the caches, "
    "as after a backward pass. Repeated (warm cache): each takes 8 steps in succession, so that "
    "data that fits into the caches stays there. Selection is the extra time of a step that "
    "selects; the amortised ratio has one selection in 100 alternating steps. Peak is the memory "
    "added by the optimizer and its first steps. Weights and gradients are float32. AdamW's own "
    "time differs between rows if other programs use the machine; it is from the same rounds."
)


def markdown(rows: Sequence[Row], machine: Mapping[str, Any], left_out: Mapping[str, str]) -> str:
    """The page: the machine, how numbers are measured, a table for each set of shapes."""
    lines = [
        "# Optimizers: time and memory of a step",
        "",
        "Made by `python benchmarks/perf/optimizers.py`.",
        "",
        "Machine: " + ", ".join(f"{key} {value}" for key, value in machine.items()) + ".",
        "",
        NOTE,
    ]
    for shapes in dict.fromkeys(row.shapes for row in rows):
        lines += ["", f"## {shapes}", "", HEADER]
        lines += [_line(row) for row in rows if row.shapes == shapes]
    if left_out:
        reasons = "; ".join(f"{name} ({why})" for name, why in left_out.items())
        lines += ["", f"Not measured: {reasons}."]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    selection = (
        f"{row.selection_ms:.1f} | {row.selection_steps:.2f}" if row.selection_ms else "– | –"
    )
    times = f"{row.ms:.2f} | {row.base_ms:.2f} | {row.ratio:.2f} | {row.in_a_row:.2f}"
    memory = f"{row.state_bytes:.3f} | {row.peak_bytes:.1f}"
    return f"| {row.optimizer} | {times} | {selection} | {row.amortised:.2f} | {memory} |"


def figure(
    rows: Sequence[Row], rivals: Sequence[Rival], machine: Mapping[str, Any], path: Path
) -> None:
    """Draw time against memory on one set of shapes, and time over the sets."""
    import matplotlib  # here, because tables do not need it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sets = list(dict.fromkeys(row.shapes for row in rows))
    main = "20M" if "20M" in sets else sets[0]
    shown, axes = pyplot.subplots(1, 2, figsize=(13, 6), constrained_layout=True)
    styles = {rival.name: colours.style(rival.style) for rival in rivals}
    _time_and_memory(axes[0], [row for row in rows if row.shapes == main], styles, main)
    _time_over_sets(axes[1], rows, styles, sets)
    shown.suptitle(
        f"Step time and state of optimizers ({machine['processor']}, {machine['threads']} threads, "
        f"torch {machine['torch']})"
    )
    shown.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(shown)


def _time_and_memory(
    axis: Any, rows: Sequence[Row], styles: Mapping[str, colours.Style], main: str
) -> None:
    # variants of an optimizer would overlap; the table has them
    shown = [row for row in rows if "," not in row.optimizer]
    shown.sort(key=lambda row: (row.state_bytes, row.amortised))
    for number, row in enumerate(shown):
        style, state = styles[row.optimizer], max(row.state_bytes, EDGE)
        axis.plot(state, row.amortised, color=style.colour, marker=style.marker, linestyle="")
        place, side = (6, -3), "left"
        if any(_is_near(row, other, 4) for other in shown[number + 1 :]):
            place, side = (-6, -3), "right"
            if any(_is_near(other, row, 6) for other in shown[:number]):
                place, side = (0, 7), "center"  # there are points on both sides
        axis.annotate(
            row.optimizer,
            (state, row.amortised),
            fontsize=8,
            xytext=place,
            ha=side,
            textcoords="offset points",
        )
    axis.set(
        xscale="log",
        title=f"{main} parameters",
        xlim=(0.8 * EDGE, 100),
        xlabel=f"optimizer state [bytes per parameter]; zero is drawn at {EDGE}",
    )
    axis.set_xticks(
        [0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8], ["0.05", "0.1", "0.2", "0.5", "1", "2", "4", "8"]
    )
    _ratios(axis)


def _is_near(left: Row, right: Row, factor: float) -> bool:
    """Whether a label between two points on one level would be written over one of them."""
    level = right.amortised / left.amortised
    state = max(left.state_bytes, EDGE)
    return state <= right.state_bytes < factor * state and 1 / 1.3 < level < 1.3


def _time_over_sets(
    axis: Any, rows: Sequence[Row], styles: Mapping[str, colours.Style], sets: list[str]
) -> None:
    ratios = {(row.optimizer, row.shapes): row.amortised for row in rows}
    everywhere = set(styles) - {BASE}
    for shapes in sets:
        everywhere &= {row.optimizer for row in rows if row.shapes == shapes}
    names = [name for name in styles if name in everywhere]
    for number, name in enumerate(names):
        axis.plot(
            sets,
            [ratios[name, shapes] for shapes in sets],
            color=styles[name].colour,
            label=name,
            marker=colours.MARKERS[number % len(colours.MARKERS)],
            linestyle=colours.DASHES[number % len(colours.DASHES)],
        )
    axis.set(title="over sets of shapes", xlabel="shapes of the parameters")
    axis.legend(fontsize=8)
    _ratios(axis)


def _ratios(axis: Any) -> None:
    axis.axhline(1, color=colours.GREY, linewidth=0.8)
    axis.set(yscale="log", ylabel=f"time of a step with one selection in 100 steps [{BASE} = 1]")
    axis.set_yticks(
        [0.1, 0.2, 0.5, 1, 2, 5, 10, 20], ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]
    )
    axis.minorticks_off()
