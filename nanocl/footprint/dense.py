"""Which layers a run trains densely, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from torch import nn

from nanocl.footprint import models
from nanocl.optim.groups import norm_layers
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import RunSpec, UserError

SHAPES = ((3, 32, 32), (3, 224, 224), (1, 28, 28), (64,))  # of inputs; they change no layer's kind


def dense_lines(runs: Iterable[RunSpec], catalogue: Catalogue) -> Iterator[str]:
    """For each part with dense normalisation layers, which layers of its model these are."""
    lines: dict[str, None] = {}
    for run in runs:
        for part in run.strategy:
            dense = str(part.options.get("dense", ""))
            if "norms" in dense:
                text = f"{part.name}.dense={dense}: normalisation layers of {run.model.name}: "
                lines[text + _found(run, catalogue)] = None
    yield from lines


def _found(run: RunSpec, catalogue: Catalogue) -> str:
    try:
        backbone = _backbone(run, catalogue)
    except UserError as error:
        return f"not listed, {error}"
    layers = norm_layers(backbone)
    kinds = Counter(
        (type(backbone.get_submodule(path)).__name__, sign) for path, sign in layers.items()
    )
    counts = [f"{count} {name} (by {sign})" for (name, sign), count in kinds.items()]
    return ", ".join(counts) or "none"


def _backbone(run: RunSpec, catalogue: Catalogue) -> nn.Module:
    """The model on inputs of the first shape that fits it, without data."""
    options = {
        name: value for name, value in run.model.options.items() if not name.startswith("pretrain")
    }
    for shape in SHAPES:
        try:
            return models.on_meta(run.model.name, shape, 2, options, catalogue)["backbone"]
        except UserError as error:
            reason = error
    raise reason
