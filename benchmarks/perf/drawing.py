"""The measured rows as Markdown tables and as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rivals import BASE, Rival
from timing import Row

from nanocl.reporting import colours

EDGE = 0.05
HEADER = (
    "| optimizer | ms a step | AdamW's, ms | ratio | in a row | selection, ms | in AdamW steps | amortised ratio "
    "| state, B/param | peak, B/param |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def markdown(rows: Sequence[Row], machine: Mapping[str, Any], left_out: Mapping[str, str]) -> str:
    """A table for each set of shapes."""
    lines = [
        "# Optimizers: time and memory of a step",
        "",
        "Made by `python benchmarks/perf/optimizers.py`.",
        "",
        "Machine: " + ", ".join(f"{key} {value}" for key, value in machine.items()) + ".",
        "",
        f"Ratios are to `{BASE}` in the same process, medians over rounds. `ratio`: the optimizer and AdamW step "
        "in turn, so that neither finds its data in the caches, as after a backward pass. `in a row`: each takes "
        "8 steps in a row, as loops are often timed, and finds in the caches what fits into them. A selection is "
        "what a step that selects takes more; the amortised ratio has one in 100 steps, which are taken in turn. "
        "Peak is the memory that appears with the optimizer and its first steps. Weights and gradients are "
        "float32. AdamW's own time differs from row to row where the machine is shared with others; it is that of "
        "the same rounds.",
    ]
    for shapes in dict.fromkeys(row.shapes for row in rows):
        lines += ["", f"## {shapes}", "", HEADER]
        lines += [_line(row) for row in rows if row.shapes == shapes]
    if left_out:
        lines += [
            "",
            "Not measured: " + "; ".join(f"{name} ({why})" for name, why in left_out.items()) + ".",
        ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    selection = (
        f"{row.selection_ms:.1f} | {row.selection_steps:.2f}" if row.selection_ms else "– | –"
    )
    return (
        f"| {row.optimizer} | {row.ms:.2f} | {row.base_ms:.2f} | {row.ratio:.2f} | {row.in_a_row:.2f} "
        f"| {selection} | {row.amortised:.2f} | {row.state_bytes:.3f} | {row.peak_bytes:.1f} |"
    )


def figure(
    rows: Sequence[Row], rivals: Sequence[Rival], machine: Mapping[str, Any], path: Path
) -> None:
    """Time against memory on one set of shapes, and time over the sets."""
    import matplotlib

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
    shown = [
        row for row in rows if "," not in row.optimizer
    ]  # variants lie upon each other; they are in the table
    shown.sort(key=lambda row: (row.state_bytes, row.amortised))
    for number, row in enumerate(shown):
        style, state = styles[row.optimizer], max(row.state_bytes, EDGE)
        crowded = any(
            other.state_bytes < 4 * state and 1 / 1.3 < other.amortised / row.amortised < 1.3
            for other in shown[number + 1 :]
        )  # then the name goes to the other side
        axis.plot(state, row.amortised, color=style.colour, marker=style.marker, linestyle="")
        axis.annotate(
            row.optimizer,
            (state, row.amortised),
            fontsize=8,
            xytext=(-6 if crowded else 6, -3),
            ha="right" if crowded else "left",
            textcoords="offset points",
        )
    axis.set(
        xscale="log",
        title=f"{main} parameters",
        xlim=(0.8 * EDGE, 100),
        xlabel=f"optimizer state [bytes per parameter]; none is drawn at {EDGE}",
    )
    axis.set_xticks(
        [0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8], ["0.05", "0.1", "0.2", "0.5", "1", "2", "4", "8"]
    )
    _ratios(axis)


def _time_over_sets(
    axis: Any, rows: Sequence[Row], styles: Mapping[str, colours.Style], sets: list[str]
) -> None:
    found = {(row.optimizer, row.shapes): row.amortised for row in rows}
    names = [
        name for name in styles if all((name, shapes) in found for shapes in sets) and name != BASE
    ]
    for number, name in enumerate(names):
        axis.plot(
            sets,
            [found[name, shapes] for shapes in sets],
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
    axis.set(
        yscale="log", ylabel=f"time of a step, one selection in 100 steps included [{BASE} = 1]"
    )
    axis.set_yticks(
        [0.1, 0.2, 0.5, 1, 2, 5, 10, 20], ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]
    )
    axis.minorticks_off()
