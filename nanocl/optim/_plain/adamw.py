"""A step of AdamW on all entries or on selected ones, in plain PyTorch.

The compiled loops and the Triton kernel compute the same step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.rounding import (
    MOMENTS_KEY,
    WEIGHTS_KEY,
    random_bits,
    store,
    stream_key,
)
from nanocl.optim._plain.selection import flat_index
from nanocl.optim._threads import Work


class AdamStep(NamedTuple):
    """The numbers of one step; lr, decay, since and keys may be tensors, see `adam_step`.

    Attributes:
        decay: Factor that shrinks an entry before it moves, 1 - lr * weight_decay.
        since: Updates since the ages were stored, this one included. Where the state has no ages,
            the age of every entry.
        key: Of the random bits that round bfloat16 moments.
        weight_key: Of the random bits that round bfloat16 parameters; None rounds to nearest.
    """

    lr: Any
    beta1: float
    beta2: float
    eps: float
    decay: Any
    since: Any
    key: Any
    weight_key: Any


def adam_step(state: dict[str, Any], group: dict[str, Any]) -> AdamStep:
    """The numbers of step `state["step"]` under the options of the group.

    Where the count of steps is a tensor, what depends on it is a tensor, and so are lr and decay if
    lr is one: the host reads nothing, so that a CUDA graph can replay the step.
    """
    lr = _learning_rate(state, group)
    beta1, beta2 = map(float, group["betas"])
    weight_decay = float(group["weight_decay"])
    stochastic = group["weight_rounding"] == "stochastic"
    rounded = state["mean"].dtype == torch.bfloat16
    return AdamStep(
        lr,
        beta1,
        beta2,
        float(group["eps"]),
        decay=1 - lr * weight_decay if weight_decay else 1.0,
        since=state["step"] - (0 if counts_all(state, group) else state["chosen"]),
        key=stream_key(state["key"], state["step"], MOMENTS_KEY) if rounded else 0,
        weight_key=stream_key(state["key"], state["step"], WEIGHTS_KEY) if stochastic else None,
    )


def counts_all(state: dict[str, Any], group: dict[str, Any]) -> bool:
    """Whether the bias is corrected by the parameter's step count, as that of a dense state is."""
    return "offset" not in state or group["moment_policy"] in ("slot", "keep")


def _learning_rate(state: dict[str, Any], group: dict[str, Any]) -> Any:
    lr = group["lr"]
    if isinstance(lr, Tensor) and isinstance(state["step"], Tensor):
        return lr.double().reshape(())  # of no dimension, it does not make float64 of weights
    # a tensor may change in place: numbers are read anew in each step
    return float(lr)


def arithmetic_dtype(param: Tensor) -> torch.dtype:
    """float32, or float64 for float64 parameters."""
    if param.dtype == torch.float64:
        return torch.float64
    return torch.float32


def adamw(param: Tensor, state: dict[str, Any], step: AdamStep) -> list[Work]:
    """Update the selected entries of `param`; all entries where the state has no selection.

    Source: Loshchilov and Hutter, 2019, arXiv:1711.05101, Algorithm 2, in the order of operations
        of `torch.optim.AdamW`; ages and selection as in `NanoAdam`.

    Args:
        state: `mean` and `square`, flat; with a selection also `start`, `offset`, `chunk`, and
            `age` where entries differ in age.

    Returns:
        Loops still to run; here none.
    """
    index: Tensor | slice = slice(None)
    if "offset" in state:
        index = flat_index(state["start"], state["offset"], state["chunk"])
    gradient = gradient_of(param).reshape(-1)[index].to(arithmetic_dtype(param))
    first, second = moments(gradient, state, step)
    # ages are 16 bits, in which the sum could overflow
    age = state["age"].to(torch.int32) + step.since if "age" in state else step.since
    move(param, index, first, second, age, step)
    return []


def moments(gradient: Tensor, state: dict[str, Any], step: AdamStep) -> tuple[Tensor, Tensor]:
    """Update the moments in `state`; returns them before they are rounded to the state's type."""
    mean = state["mean"]
    square = state["square"]
    # lines 7 and 8: m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2
    first = mean.to(gradient.dtype).lerp(gradient, 1 - step.beta1)
    second = (square.to(gradient.dtype) * step.beta2).addcmul_(
        gradient,
        gradient,
        value=1 - step.beta2,
    )
    # of the 32 random bits of an entry, each moment is rounded with one half
    rounded = mean.dtype == torch.bfloat16
    bits = random_bits(step.key, len(mean), mean.device) if rounded else None
    store(mean, first, None if bits is None else bits & 0xFFFF)
    store(square, second, None if bits is None else bits >> 16)
    return first, second


def move(
    param: Tensor,
    index: Tensor | slice,
    first: Tensor,
    second: Tensor,
    age: Tensor | int,
    step: AdamStep,
    decay: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> None:
    """Step the entries of `param` at `index`; overwrites `first` and `second`.

    Args:
        first, second: Moments of the entries, in the type of the arithmetic.
        age: Updates of their moments, for the bias correction.
        decay: Gives the factor that shrinks each entry, from the entries and their updates; None
            is `step.decay` for all.
    """
    flat = param.reshape(-1)
    entries = flat[index].to(first.dtype)
    age = age.double() if isinstance(age, Tensor) else age
    # lines 9 and 10: the bias corrections 1 - beta^age
    # line 12: w <- decay w - lr m / (sqrt v + eps)
    denominator = (second.sqrt_() / (1 - step.beta2**age) ** 0.5).add_(step.eps)
    update = first.mul_(step.lr / (1 - step.beta1**age)).div_(denominator)
    entries = entries * (step.decay if decay is None else decay(entries, update)) - update
    bits = None
    if step.weight_key is not None:
        bits = random_bits(step.weight_key, len(entries), param.device) & 0xFFFF
    rounded = torch.empty_like(entries, dtype=param.dtype)
    store(rounded, entries, bits)
    flat[index] = rounded
    if not param.is_contiguous():  # then `flat` is a copy
        param.copy_(flat.view_as(param))
