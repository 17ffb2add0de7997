"""Number formats for the compiled loops: bfloat16, stochastic rounding, bits of floats, prefetch.

numba has no bfloat16, so its bits are held in uint16. `load` reads an element as a float and
`store` writes one; for arrays of floats both are plain element access. A loop is thus written once
for all types.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, extending, njit, types
from numba.core import cgutils
from numba.extending import overload

# "contract" allows fused multiply-add; numpy's error model omits the test for zero before each
# division. EXACT rounds like plain PyTorch.
COMPILE: Any = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
}
INLINE: Any = {
    "forceinline": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
}
EXACT: Any = {**COMPILE, "fastmath": False}
EXACT_INLINE: Any = {**INLINE, "fastmath": False}
intrinsic: Any = extending.intrinsic  # its stub keeps the argument that numba fills in
NOT_FINITE = np.uint32(0x7F800000)


@njit(**INLINE)
def mix(value):
    """`nanocl.optim._plain.rounding.mix` of a uint32."""
    value = np.uint32((value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    value = np.uint32((value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(value ^ (value >> np.uint32(16)))


@njit(**INLINE)
def random_bits(key, place):
    """`nanocl.optim._plain.rounding.random_bits` of one place."""
    return mix(np.uint32(np.uint32(place) * np.uint32(0x9E3779B9) + key))


@njit(**INLINE)
def _bfloat16(value, addend):
    """The upper half of a float32's bits, after an addition to the lower half."""
    raw = np.float32(value).view(np.uint32)
    if raw & NOT_FINITE == NOT_FINITE:  # a carry could turn a NaN into a number
        quiet = np.uint32(0x40) if raw & np.uint32(0x7FFFFF) else np.uint32(0)
        return np.uint16((raw >> np.uint32(16)) | quiet)
    return np.uint16(np.uint32(raw + addend) >> np.uint32(16))


def load(array, i):
    """An element of an array of floats; of bfloat16 bits, as float32."""


def store(array, i, value, bits, stochastic):
    """Write a float; as bfloat16 bits, rounded with 16 random bits or to nearest even."""


def noise(array, key, place):
    """32 random bits to round an element of a bfloat16 array; 0 for floats, which need none."""


@overload(load, jit_options=INLINE)
def _load(array, i):
    if array.dtype == types.uint16:
        # bfloat16 is the upper half of a float32
        return lambda array, i: np.uint32(np.uint32(array[i]) << np.uint32(16)).view(np.float32)
    return lambda array, i: array[i]


@overload(store, jit_options=INLINE)
def _store(array, i, value, bits, stochastic):
    if array.dtype == types.uint16:

        def put(array, i, value, bits, stochastic):
            # half of the last kept bit, less one if that bit is even, rounds ties to even
            even = (np.float32(value).view(np.uint32) >> np.uint32(16)) & np.uint32(1)
            addend = bits & np.uint32(0xFFFF) if stochastic else np.uint32(0x7FFF) + even
            array[i] = _bfloat16(value, np.uint32(addend))
    else:

        def put(array, i, value, bits, stochastic):
            array[i] = value

    return put


@overload(noise, jit_options=INLINE)
def _noise(array, key, place):
    if array.dtype == types.uint16:
        return lambda array, key, place: random_bits(key, place)
    return lambda array, key, place: np.uint32(0)


def bits_of(array):
    """An array of floats as unsigned integers."""


def signed(array):
    """An array of floats as signed integers."""


def real_of(integer):
    """The float of an ordered integer: if it is negative, all bits but the sign are flipped."""


@overload(bits_of, jit_options=INLINE)
def _bits_of(array):
    if array.dtype == types.float64:
        return lambda array: array.view(np.uint64)
    return lambda array: array.view(np.uint32)


@overload(signed, jit_options=INLINE)
def _signed(array):
    if array.dtype == types.float64:
        return lambda array: array.view(np.int64)
    return lambda array: array.view(np.int32)


@overload(real_of, jit_options=INLINE)
def _real_of(integer):
    if integer == types.int64:
        rest = 0x7FFFFFFFFFFFFFFF
        return lambda integer: np.int64(integer ^ ((integer >> 63) & rest)).view(np.float64)
    return lambda integer: np.int32(integer ^ ((integer >> 31) & 0x7FFFFFFF)).view(np.float32)


def store_outward(array, i, bound, upward):
    """Write a bound of a bucket, rounded away from the values in the bucket."""


@overload(store_outward, jit_options=EXACT_INLINE)
def _store_outward(array, i, bound, upward):
    if array.dtype != types.uint16:

        def put(array, i, bound, upward):
            array[i] = bound
            if array[i] < bound if upward else array[i] > bound:
                array[i] = np.nextafter(array[i], array.dtype.type(np.inf if upward else -np.inf))

        return put

    def put_bfloat16(array, i, bound, upward):
        near = np.float32(bound)
        # rounding float64 to float32 may already have moved the bound inwards by one unit
        inside = near < bound if upward else near > bound
        raw = np.int64(near.view(np.uint32))
        # away from zero: add all but one of the lower half; towards zero: the cut itself does it
        raw += 0xFFFF + inside if (raw < 1 << 31) == upward else -inside
        array[i] = np.uint16(raw >> 16) if bound == bound else 0x7FC0  # NaN stays NaN

    return put_bfloat16


@njit(**INLINE)
def array_at(address, length, like):
    """The flat array at an address, with elements of the type of `like`'s."""
    return carray(_pointer(address, like), length)


@intrinsic
def _pointer(typing, address, like):
    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(address, like), generate


@intrinsic
def prefetch(typing, array, i):
    """Fetch the cache line of an element that is used soon; any index is harmless."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        byte = ir.IntType(8).as_pointer()
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        address = builder.bitcast(builder.gep(data, [args[1]]), byte)
        read = word(0)
        all_caches = word(3)
        data_cache = word(1)
        builder.call(function, [address, read, all_caches, data_cache])
        return context.get_dummy_value()

    return types.void(array, i), generate
