"""The step of `_plain.adamw` as one Triton kernel: gather, update and scatter in one pass over the selected entries."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from nanocl.optim._corrections import corrections
from nanocl.optim._plain.adamw import AdamW
from nanocl.optim._threads import Work

TYPES = (torch.float32, torch.bfloat16, torch.float16)
BLOCK, PARTS = 1024, 4  # entries of a program at a time; programs a chunk
DENSE_CHUNK = 32768


def fits(param: Tensor) -> bool:
    """Whether the kernel can read and write the parameter and its gradient as they are."""
    return (
        param.dtype in TYPES
        and param.grad.dtype == param.dtype
        and all(tensor.is_cuda and tensor.is_contiguous() for tensor in (param, param.grad))
    )


def adamw(param: Tensor, state: dict[str, Any], step: AdamW) -> list[Work]:
    """See `_plain.adamw`. Arithmetic is in float32; the moments are float32 or bfloat16."""
    sparse = "offset" in state
    chunk = state["chunk"] if sparse else DENSE_CHUNK
    chunks = -(-param.numel() // chunk)
    if chunks == 0:
        return []
    inverse1, inverse2 = _on_device(step, "age" in state, param.device)
    none = state["mean"]  # stands in for what the kernel then does not read
    _adamw[(chunks, PARTS)](
        _bits(param),
        _bits(param.grad),
        _bits(state["mean"]),
        _bits(state["square"]),
        state.get("start", none),
        state.get("offset", none),
        state.get("age", none),
        inverse1,
        inverse2,
        step.lr,
        1 - step.beta1,
        step.beta2,
        1 - step.beta2,
        step.eps,
        step.decay,
        step.since,
        len(inverse1) - 1,
        param.numel(),
        chunk,
        step.key,
        step.weight_key or 0,
        SPARSE=sparse,
        AGED="age" in state,
        STOCHASTIC=step.weight_key is not None,
        PARAM_BITS=param.dtype == torch.bfloat16,
        STATE_BITS=state["mean"].dtype == torch.bfloat16,
        BLOCK=BLOCK,
        PARTS=PARTS,
    )
    return []


def _bits(tensor: Tensor) -> Tensor:
    """bfloat16 as integers, which the kernel rounds itself."""
    return tensor.detach().view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor.detach()


def _on_device(step: AdamW, by_age: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    if by_age:
        return _table(step.beta1, step.beta2, device)
    found = corrections(step.beta1, step.beta2, step.since, np.float32)
    return tuple(torch.from_numpy(factors).to(device) for factors in found)


@lru_cache(maxsize=8)
def _table(beta1: float, beta2: float, device: torch.device) -> tuple[Tensor, Tensor]:
    found = corrections(beta1, beta2, None, np.float32)
    return tuple(torch.from_numpy(factors).to(device) for factors in found)


@triton.jit(do_not_specialize=["since", "oldest", "numel", "key", "weight_key"])
def _adamw(
    param,
    grad,
    mean,
    square,
    start,
    offset,
    age,
    inverse1,
    inverse2,
    lr,
    rest1,
    beta2,
    rest2,
    eps,
    decay,
    since,
    oldest,
    numel,
    chunk,
    key,
    weight_key,
    SPARSE: tl.constexpr,
    AGED: tl.constexpr,
    STOCHASTIC: tl.constexpr,
    PARAM_BITS: tl.constexpr,
    STATE_BITS: tl.constexpr,
    BLOCK: tl.constexpr,
    PARTS: tl.constexpr,
):
    c = tl.program_id(0).to(tl.int64)
    if SPARSE:
        begin, end = tl.load(start + c), tl.load(start + c + 1)
    else:
        begin, end = c * chunk, tl.minimum((c + 1) * chunk, numel)
    for first in range(begin + tl.program_id(1) * BLOCK, end, PARTS * BLOCK):
        j = first + tl.arange(0, BLOCK)
        inside = j < end
        i = c * chunk + tl.load(offset + j, mask=inside, other=0) if SPARSE else j
        if AGED:
            years = tl.minimum(tl.load(age + j, mask=inside, other=0).to(tl.int32) + since, oldest)
            scale1, scale2 = tl.load(inverse1 + years), tl.load(inverse2 + years)
        else:
            scale1, scale2 = tl.load(inverse1), tl.load(inverse2)
        g, w = _load(grad + i, inside, PARAM_BITS), _load(param + i, inside, PARAM_BITS)
        m, v = _load(mean + j, inside, STATE_BITS), _load(square + j, inside, STATE_BITS)
        m = m + rest1 * (g - m)
        v = beta2 * v + rest2 * g * g
        w = w * decay - lr * scale1 * m / (tl.sqrt(v) * scale2 + eps)
        bits = _random_bits(key, j)
        _store(mean + j, m, inside, bits & 0xFFFF, STATE_BITS, True)
        _store(square + j, v, inside, bits >> 16, STATE_BITS, True)
        _store(param + i, w, inside, _random_bits(weight_key, j) & 0xFFFF, PARAM_BITS, STOCHASTIC)


@triton.jit
def _load(pointer, inside, BITS: tl.constexpr):
    value = tl.load(pointer, mask=inside, other=0)
    if BITS:
        return (value.to(tl.uint16, bitcast=True).to(tl.uint32) << 16).to(tl.float32, bitcast=True)
    return value.to(tl.float32)


@triton.jit
def _store(pointer, value, inside, bits, BITS: tl.constexpr, STOCHASTIC: tl.constexpr):
    if BITS:
        raw = value.to(tl.uint32, bitcast=True)
        raised = raw + bits if STOCHASTIC else raw + 0x7FFF + ((raw >> 16) & 1)
        not_finite = (raw & 0x7F800000) == 0x7F800000
        quiet = tl.where((raw & 0x7FFFFF) != 0, 0x400000, 0).to(tl.uint32)
        raised = tl.where(not_finite, raw | quiet, raised)
        tl.store(pointer, (raised >> 16).to(tl.uint16).to(tl.int16, bitcast=True), mask=inside)
    else:
        tl.store(pointer, value.to(pointer.dtype.element_ty), mask=inside)


@triton.jit
def _random_bits(key, place):
    """`nanocl.optim._plain.rounding.random_bits`."""
    value = (place.to(tl.uint64) * 0x9E3779B9 + key.to(tl.uint64)).to(tl.uint32)
    value = ((value ^ (value >> 16)).to(tl.uint64) * 0x85EBCA6B).to(tl.uint32)
    value = ((value ^ (value >> 13)).to(tl.uint64) * 0xC2B2AE35).to(tl.uint32)
    return value ^ (value >> 16)
