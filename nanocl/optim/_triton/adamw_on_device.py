"""A step of AdamW as a Triton kernel that takes the count of steps and lr from the device."""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import adam_step, counts_all
from nanocl.optim._plain.adamw_on_device import decay_all
from nanocl.optim._plain.rounding import MOMENTS_KEY, WEIGHTS_KEY, stream_key
from nanocl.optim._threads import Work
from nanocl.optim._triton.adamw import BLOCK, DENSE_CHUNK, PARTS, bits
from nanocl.optim._triton.entries import mix, step_entries


def adamw_on_device(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
    """See `_plain.adamw_on_device.adamw_on_device`; arithmetic as in `_triton.adamw.adamw`."""
    weight_decay = float(group["weight_decay"])
    if group["decay_scope"] == "all" and weight_decay:
        # the kernel sees selected entries only, so decay of all entries comes first
        decay_all(param, adam_step(state, group).decay)
        weight_decay = 0.0
    chunk = state["chunk"] if "offset" in state else DENSE_CHUNK
    chunks = -(-param.numel() // chunk)
    if chunks > 0:
        _launch(param, state, group, weight_decay, (chunk, chunks))
    return []


def _launch(
    param: Tensor,
    state: dict[str, Any],
    group: dict[str, Any],
    weight_decay: float,
    chunking: tuple[int, int],
) -> None:
    mean = state["mean"]
    step = state["step"]
    lr = group["lr"]
    on_device = isinstance(lr, Tensor) and lr.device == param.device
    if not on_device:
        lr = float(lr)
    decay = 1.0 if on_device else 1 - lr * weight_decay
    beta1, beta2 = map(float, group["betas"])
    tensors = bits(param), bits(gradient_of(param)), bits(mean), bits(state["square"])
    selection = [state.get(name, mean) for name in ("start", "offset", "age")]
    counts = step, step if counts_all(state, group) else state["chosen"]
    logarithms = (math.log2(beta) if beta else -math.inf for beta in (beta1, beta2))
    rates = 1 - beta1, beta2, 1 - beta2, float(group["eps"]), weight_decay, decay
    chunk, chunks = chunking
    _adamw_on_device[(chunks, PARTS)](
        *(*tensors, *selection, *counts, lr, *logarithms, *rates, param.numel(), chunk),
        stream_key(state["key"]),
        SPARSE="offset" in state,
        AGED="age" in state,
        COUNTS_ALL=counts_all(state, group),
        LR_ON_DEVICE=on_device,
        STOCHASTIC=group["weight_rounding"] == "stochastic",
        PARAM_BITS=param.dtype == torch.bfloat16,
        STATE_BITS=mean.dtype == torch.bfloat16,
        MOMENTS=MOMENTS_KEY,
        WEIGHTS=WEIGHTS_KEY,
        BLOCK=BLOCK,
        PARTS=PARTS,
    )


@triton.jit(do_not_specialize=["numel", "key"])
def _adamw_on_device(
    param,
    grad,
    mean,
    square,
    start,
    offset,
    age,
    step,
    chosen,
    lr,
    log1,
    log2,
    rest1,
    beta2,
    rest2,
    eps,
    weight_decay,
    decay,
    numel,
    chunk,
    key,
    SPARSE: tl.constexpr,
    AGED: tl.constexpr,
    COUNTS_ALL: tl.constexpr,
    LR_ON_DEVICE: tl.constexpr,
    STOCHASTIC: tl.constexpr,
    PARAM_BITS: tl.constexpr,
    STATE_BITS: tl.constexpr,
    MOMENTS: tl.constexpr,
    WEIGHTS: tl.constexpr,
    BLOCK: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Program (c, part) updates every PARTS-th block of the entries of chunk c."""
    c = tl.program_id(0).to(tl.int64)
    number = tl.load(step)
    since = number if COUNTS_ALL else number - tl.load(chosen)
    rate = lr
    if LR_ON_DEVICE:
        decay = (1.0 - tl.load(lr).to(tl.float64) * weight_decay).to(tl.float32)
        rate = tl.load(lr).to(tl.float32)
    # the key of the step, of which the host gives the part that no step changes
    base = mix((key.to(tl.uint64) * 31 + number.to(tl.uint64) * 0x9E3779B9 + 1).to(tl.uint32))
    if SPARSE:
        begin, end = tl.load(start + c), tl.load(start + c + 1)
    else:
        begin, end = c * chunk, tl.minimum((c + 1) * chunk, numel)
    for first in range(begin + tl.program_id(1) * BLOCK, end, PARTS * BLOCK):
        j = first + tl.arange(0, BLOCK)
        inside = j < end
        # gather: j is the place in the state, i the place in the parameter
        i = c * chunk + tl.load(offset + j, mask=inside, other=0) if SPARSE else j
        updates = tl.load(age + j, mask=inside, other=0).to(tl.int64) + since if AGED else since
        # no table of bias corrections: a graph would hold the address of memory that may be freed
        factor1 = (1.0 / (1.0 - _power(log1, updates))).to(tl.float32)
        factor2 = (1.0 / tl.sqrt(1.0 - _power(log2, updates))).to(tl.float32)
        # fmt: off
        step_entries(
            param, grad, mean, square, i, j, inside, factor1, factor2,
            rate, rest1, beta2, rest2, eps, decay, _key(base, MOMENTS), _key(base, WEIGHTS),
            STOCHASTIC, PARAM_BITS, STATE_BITS,
        )
        # fmt: on


@triton.jit
def _power(logarithm, exponent):
    """A beta to an exponent; in float32, 1 minus it would lose most of its digits."""
    return tl.exp2(exponent.to(tl.float64) * logarithm)


@triton.jit
def _key(base, PURPOSE: tl.constexpr):
    """See `_plain.rounding.stream_key`."""
    return mix((base.to(tl.uint64) * 31 + PURPOSE * 0x9E3779B9 + 1).to(tl.uint32))
