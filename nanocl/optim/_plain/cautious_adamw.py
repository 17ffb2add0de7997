"""A step of AdamW with cautious decay in plain PyTorch; see `CautiousAdamW` for the source."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import AdamStep, arithmetic_dtype, moments, move
from nanocl.optim._threads import Work


def cautious_adamw(param: Tensor, state: dict[str, Any], step: AdamStep) -> list[Work]:
    """Update every entry; shrink only those that the update moves towards zero.

    Args:
        state: `mean` and `square`, flat, of every entry.

    Returns:
        Loops still to run; here none.
    """

    def decay(entries: Tensor, update: Tensor) -> Tensor:
        # the indicator [u w >= 0]; signs are compared because the product may underflow to zero
        agrees = entries.sign() * update.sign() >= 0
        return torch.ones_like(entries).masked_fill_(agrees, step.decay)

    gradient = gradient_of(param).reshape(-1).to(arithmetic_dtype(param))
    first, second = moments(gradient, state, step)
    move(param, slice(None), first, second, step.since, step, decay)
    return []
