"""The curves of kept tasks over the steps of training, a figure for each comparison."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from nanocl.reporting.drawing import WIDTH, content, look
from nanocl.studies.byo.differences import Record, differences
from nanocl.studies.byo.page import curves, figure_name, groups, rates


def draw(records: Sequence[Record]) -> dict[str, bytes]:
    """File name to content of each figure."""
    drawn = {}
    with look():
        for group in groups(records).values():
            drawn[figure_name(group)] = content(_figure(group), "png")
    return drawn


def _figure(group: Sequence[Record]) -> Figure:
    """A panel for each kept number, a line for each record."""
    lines = [(record, curve) for record in group for curve in curves(record)]
    titles = list(dict.fromkeys(title for _, (title, _, _) in lines))
    count = max(1, len(titles))
    different = differences(group)
    figure = Figure(figsize=(WIDTH, 0.5 + 1.4 * count), layout="constrained")
    axes = figure.subplots(count, 1, sharex=True, squeeze=False).ravel()
    for record, (title, steps, values) in lines:
        axis = axes[titles.index(title)]
        axis.plot(steps, values, marker="o", label=_label(record, different[record["digest"]]))
        axis.set_ylabel(title)
    axes[-1].set_xlabel("steps of training")
    if lines:
        axes[0].legend()
    return figure


def _label(record: Record, other: str) -> str:
    first, spec = record["trainings"][0], record["spec"]
    return f"{spec['name']} (lr {rates(first)}, seed {spec['seed']}{other and ', '}{other})"
