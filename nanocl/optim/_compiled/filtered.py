"""The functions of `_plain_filtered` as compiled loops on the CPU; where types are mixed, the plain ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanocl.optim._compiled.adamw import array
from nanocl.optim._compiled.loops_filtered import PIECE, cautious_all, mofo_chunks
from nanocl.optim._plain import filtered as plain
from nanocl.optim._plain.adamw import AdamW
from nanocl.optim._plain.selection import even_starts
from nanocl.optim._threads import Work

SELECTING = 4  # a step that selects takes so many times as long as one that does not


def mofo(
    param: Tensor, state: dict[str, Any], step: AdamW, density: float, chunk: int
) -> list[Work]:
    """See `plain.mofo`; here the work is left to do."""
    if not _one_type(param, state):
        return plain.mofo(param, state, step, density, chunk)
    arrays = [array(tensor) for tensor in (param, param.grad, state["mean"], state["square"])]
    start = even_starts(param.numel(), density, chunk).numpy()
    args = (*arrays, start, chunk, *_numbers(param, step))
    return [Work(mofo_chunks, args, len(start) - 1, max(1, SELECTING * param.numel()))]


def cautious(param: Tensor, state: dict[str, Any], step: AdamW) -> list[Work]:
    """See `plain.cautious`; here the work is left to do."""
    if not _one_type(param, state):
        return plain.cautious(param, state, step)
    arrays = [array(tensor) for tensor in (param, param.grad, state["mean"], state["square"])]
    taking, moving = _numbers(param, step)
    return [
        Work(
            cautious_all,
            (*arrays, taking + moving),
            -(-param.numel() // PIECE),
            max(1, param.numel()),
        )
    ]


def _one_type(param: Tensor, state: dict[str, Any]) -> bool:
    return param.dtype in (torch.float32, torch.float64) and state["mean"].dtype == param.dtype


def _numbers(param: Tensor, step: AdamW) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What the moments take in a gradient with, and what entries move by."""
    real = np.float64 if param.dtype == torch.float64 else np.float32
    moving = (
        step.lr / (1 - step.beta1**step.since),
        (1 - step.beta2**step.since) ** -0.5,
        step.eps,
        step.decay,
    )
    return tuple(map(real, (1 - step.beta1, step.beta2, 1 - step.beta2))), tuple(map(real, moving))
