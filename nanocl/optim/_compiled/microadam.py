"""A step of MicroAdam as one compiled loop on the CPU."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanocl.optim._compiled.arrays import KINDS, address, arithmetic_type
from nanocl.optim._compiled.loops_microadam import microadam as microadam_blocks
from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain import microadam as plain
from nanocl.optim._plain.selection import quota, whole_buckets
from nanocl.optim._threads import Work


def microadam(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
    """See `_plain.microadam.microadam`; returns the loop that still has to run.

    Where buckets and blocks overlap, it takes the plain step.
    """
    if not whole_buckets(state["block"], state["bucket"]):
        return plain.microadam(param, state, group)
    low = state["low"]
    window, sent = state["offset"].shape
    numel = param.numel()
    block = min(state["block"], max(1, numel))
    types = param.dtype, low.dtype, state["offset"].dtype
    sizes = window, state["bucket"], state["step"]
    numbers = plain.numbers_of(group)
    names = ("codes", "low", "high", "offset", "value")
    places = [address(state[name]) for name in names]
    # the order of the loop's table: addresses, lengths, block, entries sent by a whole block
    row = (
        param.data_ptr(),
        gradient_of(param).data_ptr(),
        *places,
        numel,
        low.numel(),
        sent,
        block,
        quota(state["block"], state["density"]),
    )
    args = _arguments(types, sizes, numbers)
    blocks = -(-numel // block)
    return [Work(microadam_blocks, args, blocks, max(1, numel), row)]


@lru_cache(maxsize=64)
def _arguments(
    types: tuple[torch.dtype, torch.dtype, torch.dtype],
    sizes: tuple[int, int, int],
    numbers: tuple[float, ...],
) -> tuple[Any, ...]:
    """The loop's arguments beside the table, one object for parameters that share them.

    Args:
        types: Of parameter, bounds and values, offsets.
        sizes: Rows of the window, entries of a bucket, the step.
        numbers: lr, beta1, beta2, eps, weight_decay.
    """
    window, bucket, step = sizes
    lr, beta1, beta2, eps, weight_decay = numbers
    real = arithmetic_type(types[0])
    # the row written in this step has age 0
    newest = step - 1
    ages = [(newest - row) % window for row in range(min(window, step))]
    weight1 = np.array([beta1**age for age in ages], real)
    weight2 = np.array([beta2**age for age in ages], real)
    factor1 = (1 - beta1) / (1 - beta1**step)
    factor2 = (1 - beta2) / (1 - beta2**step)
    decay = 1 - lr * weight_decay
    limit = plain.largest_kept(torch.float64 if real is np.float64 else torch.float32, types[1])
    scalars = np.array([lr, eps, decay, factor1, factor2, limit], real)
    codes = np.empty(0, np.uint8)
    param, bounds, offsets = (KINDS[dtype] for dtype in types)
    kinds = param, codes, bounds, offsets
    return kinds, window, newest % window, bucket, weight1, weight2, scalars
