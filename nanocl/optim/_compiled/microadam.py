"""A step of MicroAdam as one compiled loop on the CPU."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanocl.optim._compiled.adamw import KINDS, address
from nanocl.optim._compiled.loops_microadam import microadam as microadam_blocks
from nanocl.optim._plain import microadam as plain
from nanocl.optim._plain.selection import quota, whole_buckets
from nanocl.optim._threads import Work


def microadam(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
    """See `plain.microadam`; here the work is left to do, unless a bucket lies in two blocks."""
    if not whole_buckets(state["block"], state["bucket"]):
        return plain.microadam(param, state, group)
    low, (window, sent) = state["low"], state["offset"].shape
    block = min(state["block"], max(1, param.numel()))
    args = _arguments(
        param.dtype,
        low.dtype,
        state["offset"].dtype,
        window,
        state["bucket"],
        state["step"],
        float(group["lr"]),
        tuple(group["betas"]),
        group["eps"],
        group["weight_decay"],
    )
    places = [address(state[name]) for name in ("codes", "low", "high", "offset", "value")]
    row = (
        param.data_ptr(),
        param.grad.data_ptr(),
        *places,
        param.numel(),
        low.numel(),
        sent,
        block,
        quota(state["block"], state["density"]),
    )
    return [Work(microadam_blocks, args, -(-param.numel() // block), max(1, param.numel()), row)]


@lru_cache(maxsize=64)
def _arguments(
    kind: torch.dtype,
    state_kind: torch.dtype,
    offset_kind: torch.dtype,
    window: int,
    bucket: int,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> tuple[Any, ...]:
    """What the loop takes beside the table, one object for parameters that have it in common."""
    real = np.float64 if kind == torch.float64 else np.float32
    ages = [(step - 1 - row) % window for row in range(min(window, step))]
    weights = [np.array([beta**age for age in ages], real) for beta in betas]
    factors = [(1 - beta) / (1 - beta**step) for beta in betas]
    numbers = np.array([lr, eps, 1 - lr * weight_decay, *factors], real)
    kinds = KINDS[kind], np.empty(0, np.uint8), KINDS[state_kind], KINDS[offset_kind]
    return kinds, window, (step - 1) % window, bucket, *weights, numbers
