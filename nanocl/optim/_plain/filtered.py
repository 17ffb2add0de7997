"""Adam whose update or decay passes a filter, in plain PyTorch; `_fused_filtered` holds the same functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.optim._plain.adamw import AdamW, arithmetic_dtype, moments, move, select
from nanocl.optim._plain.selection import even_starts, flat_index
from nanocl.optim._threads import Work


def mofo(
    param: Tensor, state: dict[str, Any], step: AdamW, density: float, chunk: int
) -> list[Work]:
    """Update all moments, and the entries of each chunk whose first moment is largest.

    Args:
        state: `mean` and `square`, flat, of every entry.

    Returns:
        Work that is left to do; here none.
    """
    first, second = moments(param.grad.reshape(-1).to(arithmetic_dtype(param)), state, step)
    offset = select(state["mean"], density, chunk, largest=True)
    index = flat_index(even_starts(param.numel(), density, chunk, param.device), offset, chunk)
    move(param, index, first[index], second[index], step.since, step)
    return []


def cautious(param: Tensor, state: dict[str, Any], step: AdamW) -> list[Work]:
    """Update every entry, and decay those that the update moves towards zero; see `mofo`."""

    def decay(entries: Tensor, update: Tensor) -> Tensor:
        return torch.ones_like(entries).masked_fill_(
            entries.sign() * update.sign() >= 0, step.decay
        )

    first, second = moments(param.grad.reshape(-1).to(arithmetic_dtype(param)), state, step)
    move(param, slice(None), first, second, step.since, step, decay)
    return []
