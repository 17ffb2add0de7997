"""A page on the mechanism: ratio r, overlaps and change by magnitude of every group of probes."""

from __future__ import annotations

from collections.abc import Sequence

from nanocl.reporting.statistics import mean
from nanocl.studies.mechanism.probes import Group, Look

FIGURES = ("gradient-against-magnitude", "ratio", "overlap", "change-by-magnitude")
GENERATED = "Generated from the probes by `python -m nanocl.report`; do not edit."
_INTRODUCTION = (
    GENERATED
    + """ A probe (`python -m
nanocl.run --stream ... --set probe.magnitude=true`) looks at the gradient of one mini-batch against the magnitude of
the weights, layer by layer (weight matrices and kernels of the backbone with 1000 entries or more), at steps 0, 10,
100, ... of each experience. The run's numbers stay the same bit for bit.

The claim behind it (Zhou et al., 2025, arXiv:2506.21374, Fig. 1 and Table 1): while finetuning, and not while training
from scratch, large gradients sit at small weights. Then r is small, and the smallest weights hold more of the largest
gradients than chance. r: median |w| at the top 0.01 % of |gradient|, over the largest |w| at the bottom 80 % of
|gradient|; published for ViT-Tiny 0.04 to 0.20, for ViT-Large 0.009 to 0.07. Chance is no large number: normal weights
and gradients that have nothing to do with each other give 0.13 to 0.22 for layers of 3 million to 2000 entries, so that
only an r well below says something. Overlap at density d: share of the top d of |gradient| that lies in the bottom d of
|w|; chance is d."""
)


def page(found: Sequence[Group]) -> str:
    """Markdown; empty without probes."""
    if not found:
        return ""
    parts = [
        "# Gradient against magnitude",
        _INTRODUCTION,
        *(f"![{name}]({name}.png)" for name in FIGURES),
        "## Every look, means over layers and seeds",
        _table(found),
        "## Ratio r of each layer, last look",
        _ratios(found),
        "## Mean absolute change by magnitude",
        "In each tenth of the weights by |w|, smallest "
        "first, relative to the mean over all tenths of the layer; means over layers and seeds.",
        _changes(found),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def layers_mean(look: Look, *keys: str) -> float | None:
    """The mean over the layers of one number of each."""
    values = []
    for layer in look.layers.values():
        value = layer
        for key in keys:
            value = value[key]
        if value is not None:
            values.append(value)
    return mean(values) if values else None


def relative_changes(group: Group, experience: int) -> list[float]:
    """Mean over the layers of the change in each tenth over the layer's mean change; empty where nothing moved."""
    rows = [
        [value / mean(row) for value in row]
        for row in group.changes[experience].values()
        if row and mean(row)
    ]
    return [mean(column) for column in zip(*rows, strict=True)]


def _table(found: Sequence[Group]) -> str:
    lines = [
        "| stream and strategy | seeds | experience | step | r | overlap 0.1 % | 1 % | 10 % | top 1 % of "
        "gradients in the smallest 10 % |",
        "|---" * 9 + "|",
    ]
    for group in found:
        for look in group.looks:
            cells = [
                layers_mean(look, "ratio"),
                *(layers_mean(look, "overlap", d) for d in ("0.001", "0.01", "0.1")),
                layers_mean(look, "low"),
            ]
            lines.append(
                f"| {group.title} | {len(group.seeds)} | {look.experience + 1} | {look.step} | "
                + " | ".join("–" if value is None else f"{value:.3g}" for value in cells)
                + " |"
            )
    return "\n".join(lines)


def _ratios(found: Sequence[Group]) -> str:
    lines = ["| stream and strategy | r, first to last layer |", "|---|---|"]
    for group in found:
        values = [layer["ratio"] for layer in group.last().layers.values()]
        lines.append(
            f"| {group.title} | {' '.join('–' if v is None else f'{v:.3g}' for v in values)} |"
        )
    return "\n".join(lines)


def _changes(found: Sequence[Group]) -> str:
    lines = [
        "| stream and strategy | experience | " + " | ".join(map(str, range(1, 11))) + " |",
        "|---" * 12 + "|",
    ]
    for group in found:
        for experience in group.changes:
            row = relative_changes(group, experience)
            lines.append(
                f"| {group.title} | {experience + 1} | "
                + " | ".join([f"{value:.3g}" for value in row] or ["–"] * 10)
                + " |"
            )
    return "\n".join(lines)
