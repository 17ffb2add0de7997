"""The optimizers of torchao, with moments of 8 and 4 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl.libraries.library import Library, Way


def eager(
    optimizer: type[Optimizer],
    model: nn.Module,
    arguments: dict[str, Any],
    extra: dict[str, Any],
) -> Optimizer:
    """The optimizer, compiled only on a GPU.

    On a CPU, compiling would take many seconds for each new shape of a layer.
    """
    if any(p.is_cuda for p in model.parameters()):
        return optimizer(model.parameters(), **arguments)

    class Eager(optimizer):  # type: ignore[valid-type, misc]  # the base is a value, not a name
        def step(self, closure: Any = None) -> Any:
            with torch.compiler.set_stance("force_eager"):
                return super().step(closure)

    return Eager(model.parameters(), **arguments)


LIBRARY = Library(
    name="torchao",
    module="torchao.optim",
    package="torchao",
    usual=Way(eager),
    refused={
        "CPUOffloadOptimizer": "moves a GPU model's state to the CPU and does nothing elsewhere; "
        "use torch:AdamW"
    },
)
