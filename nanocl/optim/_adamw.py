"""One AdamW step of some entries of a parameter, in plain PyTorch.

Source: Loshchilov and Hutter, 2019, arXiv:1711.05101, Algorithm 2, in the order of operations of `torch.optim.AdamW`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ._rounding import random_bits, store
from ._selection import flat_index


class AdamW(NamedTuple):
    """The numbers of one step.

    Attributes:
        decay: What an entry is multiplied with before the step.
        key: Of the random bits that bfloat16 moments are rounded with.
        weight_key: Of those for bfloat16 parameters; None rounds them to nearest.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float
    decay: float
    key: int
    weight_key: int | None


def arithmetic_dtype(param: Tensor) -> torch.dtype:
    """float32, or float64 for float64 parameters."""
    return torch.float64 if param.dtype == torch.float64 else torch.float32


def step_parameter(param: Tensor, state: dict[str, Any], step: AdamW, age: Tensor | int) -> None:
    """Update the selected entries of `param`, all of them where the state has no selection.

    Args:
        state: `mean` and `square`, flat; with a selection also `start`, `offset` and `chunk`.
        age: Updates that each selected entry has had, this one included; one number or shape (selected,).
    """
    index = flat_index(state["start"], state["offset"], state["chunk"]) if "offset" in state else slice(None)
    flat = param.reshape(-1)
    gradient = param.grad.reshape(-1)[index].to(arithmetic_dtype(param))
    entries = _adamw(flat[index].to(gradient.dtype), gradient, state["mean"], state["square"], step, age)
    rounded = torch.empty_like(entries, dtype=param.dtype)
    bits = None if step.weight_key is None else random_bits(step.weight_key, len(entries), param.device) & 0xFFFF
    store(rounded, entries, bits)
    flat[index] = rounded
    if not param.is_contiguous():  # then `flat` is a copy
        param.copy_(flat.view_as(param))


def _adamw(entries: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: AdamW, age: Tensor | int) -> Tensor:
    bits = random_bits(step.key, len(mean), mean.device) if mean.dtype == torch.bfloat16 else None
    first = mean.to(entries.dtype).lerp(gradient, 1 - step.beta1)
    second = (square.to(entries.dtype) * step.beta2).addcmul_(gradient, gradient, value=1 - step.beta2)
    store(mean, first, None if bits is None else bits & 0xFFFF)
    store(square, second, None if bits is None else bits >> 16)
    correction1, correction2 = _bias_correction(step.beta1, age), _bias_correction(step.beta2, age)
    denominator = (second.sqrt_() / correction2**0.5).add_(step.eps)
    return entries * step.decay - first.mul_(step.lr / correction1).div_(denominator)


def _bias_correction(beta: float, age: Tensor | int) -> Tensor | float:
    return 1 - beta ** (age.double() if isinstance(age, Tensor) else age)
