"""A step of MoFO in plain PyTorch; see `MoFO` for the source."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import AdamStep, arithmetic_dtype, moments, move
from nanocl.optim._plain.selection import even_starts, flat_index
from nanocl.optim._plain.selector import select
from nanocl.optim._threads import Work


def mofo(
    param: Tensor,
    state: dict[str, Any],
    step: AdamStep,
    density: float,
    chunk: int,
) -> list[Work]:
    """Update all moments, then move the entries of each chunk whose first moment is largest.

    Args:
        state: `mean` and `square`, flat, of every entry.

    Returns:
        Loops still to run; here none.
    """
    # Algorithm 1: the moments of every entry take in the gradient ...
    gradient = gradient_of(param).reshape(-1).to(arithmetic_dtype(param))
    first, second = moments(gradient, state, step)
    # ... then the filter FLT_alpha(m) keeps the largest share alpha of each part
    offset = select(state["mean"], density, chunk, largest=True)
    index = flat_index(even_starts(param.numel(), density, chunk, param.device), offset, chunk)
    # ... and only these entries take the step of Adam
    move(param, index, first[index], second[index], step.since, step)
    return []
