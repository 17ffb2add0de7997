"""What a kernel does with the entries at hand: read them, take the step of AdamW, write them."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def step_entries(
    param,
    grad,
    mean,
    square,
    i,
    j,
    inside,
    factor1,
    factor2,
    lr,
    rest1,
    beta2,
    rest2,
    eps,
    decay,
    key,
    weight_key,
    STOCHASTIC: tl.constexpr,
    PARAM_BITS: tl.constexpr,
    STATE_BITS: tl.constexpr,
):
    """Step entries at places i of the parameter and j of the state.

    Args:
        inside: Whether there is an entry, for each place.
        factor1, factor2: The bias corrections 1 / (1 - beta1^age) and (1 - beta2^age)^(-1/2).
    """
    g, w = _load(grad + i, inside, PARAM_BITS), _load(param + i, inside, PARAM_BITS)
    m, v = _load(mean + j, inside, STATE_BITS), _load(square + j, inside, STATE_BITS)
    # Loshchilov and Hutter's Algorithm 2, lines 7 and 8: the moments
    m = m + rest1 * (g - m)
    v = beta2 * v + rest2 * g * g
    # lines 9, 10 and 12: bias corrections, decoupled decay, step
    w = w * decay - lr * factor1 * m / (tl.sqrt(v) * factor2 + eps)
    # scatter; of the 32 random bits of an entry, each moment is rounded with one half
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
        # add random bits, or round ties to even, then cut the lower half of the float32
        raw = value.to(tl.uint32, bitcast=True)
        raised = raw + bits if STOCHASTIC else raw + 0x7FFF + ((raw >> 16) & 1)
        # a carry could turn a NaN into a number
        not_finite = (raw & 0x7F800000) == 0x7F800000
        quiet = tl.where((raw & 0x7FFFFF) != 0, 0x400000, 0).to(tl.uint32)
        raised = tl.where(not_finite, raw | quiet, raised)
        tl.store(pointer, (raised >> 16).to(tl.uint16).to(tl.int16, bitcast=True), mask=inside)
    else:
        tl.store(pointer, value.to(pointer.dtype.element_ty), mask=inside)


@triton.jit
def _random_bits(key, place):
    """See `_plain.rounding.random_bits`."""
    return mix((place.to(tl.uint64) * 0x9E3779B9 + key.to(tl.uint64)).to(tl.uint32))


@triton.jit
def mix(value):
    """See `_plain.rounding.mix`. `value` is a uint32."""
    value = ((value ^ (value >> 16)).to(tl.uint64) * 0x85EBCA6B).to(tl.uint32)
    value = ((value ^ (value >> 13)).to(tl.uint64) * 0xC2B2AE35).to(tl.uint32)
    return value ^ (value >> 16)
