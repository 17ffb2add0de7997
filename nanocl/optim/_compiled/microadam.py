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
    low, (window, sent), numel = state["low"], state["offset"].shape, param.numel()
    block = min(state["block"], max(1, numel))
    types = param.dtype, low.dtype, state["offset"].dtype
    sizes = window, state["bucket"], state["step"]
    numbers = float(group["lr"]), *group["betas"], group["eps"], group["weight_decay"]
    places = [address(state[name]) for name in ("codes", "low", "high", "offset", "value")]
    # the order of the loop's table: addresses, lengths, block, entries sent by a whole block
    row = (
        *(param.data_ptr(), gradient_of(param).data_ptr(), *places),
        *(numel, low.numel(), sent, block, quota(state["block"], state["density"])),
    )
    args = _arguments(types, sizes, numbers)
    return [Work(microadam_blocks, args, -(-numel // block), max(1, numel), row)]


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
    (window, bucket, step), (lr, beta1, beta2, eps, weight_decay) = sizes, numbers
    real = arithmetic_type(types[0])
    # the row written in this step has age 0
    ages = [(step - 1 - row) % window for row in range(min(window, step))]
    weight1 = np.array([beta1**age for age in ages], real)
    weight2 = np.array([beta2**age for age in ages], real)
    factors = [(1 - beta) / (1 - beta**step) for beta in (beta1, beta2)]
    scalars = np.array([lr, eps, 1 - lr * weight_decay, *factors], real)
    kinds = KINDS[types[0]], np.empty(0, np.uint8), KINDS[types[1]], KINDS[types[2]]
    return kinds, window, (step - 1) % window, bucket, weight1, weight2, scalars
