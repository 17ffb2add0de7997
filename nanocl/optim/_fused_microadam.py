"""A step of MicroAdam as one compiled loop on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import _plain_microadam
from ._fused import array
from ._kernel_microadam import microadam as microadam_blocks
from ._plain import arithmetic_dtype
from ._selection import quota, whole_buckets
from ._threads import Work


def microadam(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
    """See `_plain_microadam.microadam`; here the work is left to do, unless a bucket lies in two blocks."""
    if not whole_buckets(state["block"], state["bucket"]):
        return _plain_microadam.microadam(param, state, group)
    step, (beta1, beta2), (window, sent) = state["step"], group["betas"], state["offset"].shape
    real = np.float64 if arithmetic_dtype(param) == torch.float64 else np.float32
    arrays = [array(tensor) for tensor in (param, param.grad, state["codes"], state["low"], state["high"])]
    rows = [array(state[name]).reshape(window, sent) for name in ("offset", "value")]
    ages = [(step - 1 - row) % window for row in range(min(window, step))]
    weights = [np.array([beta**age for age in ages], real) for beta in (beta1, beta2)]
    lr, block = float(group["lr"]), min(state["block"], max(1, param.numel()))
    numbers = np.array([lr, group["eps"], 1 - lr * group["weight_decay"],
                        (1 - beta1) / (1 - beta1**step), (1 - beta2) / (1 - beta2**step)], real)
    args = (*arrays, *rows, (step - 1) % window, block, state["bucket"], quota(state["block"], state["density"]))
    return [Work(microadam_blocks, (*args, *weights, numbers), -(-param.numel() // block), max(1, param.numel()))]
