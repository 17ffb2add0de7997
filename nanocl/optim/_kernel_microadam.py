"""A step of MicroAdam, block by block, so that everything but the state stays in the processor's caches.

Sums are formed in the order of the plain path and without fused multiply-add, so that both send the same entries.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import overload

from ._kernel_floats import COMPILE, INLINE, load, prefetch, store
from ._kernel_select import COUNTERS, lowest

EXACT = {**COMPILE, "fastmath": False}
EXACT_INLINE = {**INLINE, "fastmath": False}
LEVELS = 15
COMMON = 64  # the usual bucket; where the compiler knows the length, a loop over so few entries takes half the time
LINE = 16  # float32 numbers of a cache line


@njit(**EXACT)
def microadam(param, grad, codes, low, high, offset, value, row, block, bucket, quota, weight1, weight2, numbers,
              first, last):
    """Step the blocks first ... last - 1.

    Args:
        codes: Two 4-bit codes a byte; `bucket` is even and divides `block`, or there is one block.
        offset: The window's offsets, shape (rows, sent).
        row: The row of the window that is written.
        quota: Entries that a whole block sends.
        weight1: beta1 to the power of each row's age, for the rows in use.
        weight2: The same for beta2.
        numbers: lr, eps, decay and the factors of the bias correction of both moments, in the type of the arithmetic.
    """
    rows = -(-block // bucket)
    total, levels = np.empty(block, numbers.dtype), np.zeros(rows * bucket, np.uint8)
    mean, square = np.zeros(block, numbers.dtype), np.zeros(block, numbers.dtype)
    rest, places = np.empty(block, bits_of(total).dtype), np.empty(block, np.int32)
    counts = np.empty(COUNTERS, np.int32)
    for c in range(first, last):
        place, sent = slice(c * block, (c + 1) * block), slice(c * quota, (c + 1) * quota)
        buckets = slice(c * block // bucket, c * block // bucket + rows)
        halves = slice(buckets.start * bucket // 2, buckets.stop * bucket // 2)
        gradient = grad[place]
        sums = total[:len(gradient)]
        _add_error(gradient, codes[halves], low[buckets], high[buckets], bucket, levels, sums)
        _send(sums, rest, places, counts, offset[row, sent], value[row, sent])
        _quantise(sums, codes[halves], low[buckets], high[buckets], bucket, levels, grad[(c + 1) * block:])
        _sum_window(param[place], offset[:, sent], value[:, sent], weight1, weight2, mean, square)
        if numbers[2] == 1:
            _step_sent(param[place], offset[:len(weight1), sent], mean, square, numbers)
        else:
            _step_all(param[place], mean, square, numbers)


def bits_of(array):
    """An array of floats as unsigned integers."""


def signed(array):
    """An array of floats as signed integers."""


def real_of(integer):
    """The float whose bits, negative ones turned round so that integers rise with floats, are `integer`."""


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
        return lambda integer: np.int64(integer ^ ((integer >> 63) & 0x7FFFFFFFFFFFFFFF)).view(np.float64)
    return lambda integer: np.int32(integer ^ ((integer >> 31) & 0x7FFFFFFF)).view(np.float32)


@njit(**EXACT)
def _add_error(grad, codes, low, high, bucket, levels, total):
    """Fill `total` with gradient plus error."""
    pairs = levels.view(np.uint16)
    for i in range(len(codes)):
        code = np.uint16(codes[i])
        pairs[i] = (code | (code << np.uint16(4))) & np.uint16(0x0F0F)
    whole = len(grad) // COMMON if bucket == COMMON else 0
    for b in range(whole):
        _add_bucket(grad, low, high, b, b * COMMON, COMMON, levels, total)
    for b in range(whole, len(low)):
        _add_bucket(grad, low, high, b, b * bucket, min(bucket, len(grad) - b * bucket), levels, total)


@njit(**EXACT_INLINE)
def _add_bucket(grad, low, high, b, first, length, levels, total):
    real = total.dtype.type
    floor = real(load(low, b))
    unit = (real(load(high, b)) - floor) / real(LEVELS)
    for i in range(np.uintp(first), np.uintp(first + length)):
        total[i] = real(load(grad, i)) + (real(levels[i]) * unit + floor)


@njit(**EXACT)
def _send(total, rest, places, counts, offset, value):
    """Move the largest sums to a row of the window; what rounding loses stays."""
    bits = bits_of(total)
    width = bits.itemsize * 8 - 1
    mask = bits.dtype.type((1 << width) - 1)
    lowest(bits, mask, mask, rest, places, counts, offset)
    for j in range(len(offset)):
        i = np.uintp(offset[j])
        store(value, j, total[i], np.uint32(0), False)
        total[i] -= total.dtype.type(load(value, j))


@njit(**EXACT)
def _quantise(total, codes, low, high, bucket, levels, ahead):
    """Turn `total` into codes and bounds, and ask for the lines of the gradient `ahead` on the way."""
    integers = signed(total)
    whole = len(total) // COMMON if bucket == COMMON else 0
    for b in range(whole):
        for i in range(b * COMMON, (b + 1) * COMMON, LINE):
            prefetch(ahead, i)
        _quantise_bucket(total, integers, low, high, b, b * COMMON, COMMON, levels)
    for b in range(whole, len(low)):
        _quantise_bucket(total, integers, low, high, b, b * bucket, min(bucket, len(total) - b * bucket), levels)
    levels[len(total):] = 0
    pairs = levels.view(np.uint16)
    for i in range(len(codes)):
        codes[i] = np.uint8(pairs[i] | (pairs[i] >> np.uint16(4)))


@njit(**EXACT_INLINE)
def _quantise_bucket(total, integers, low, high, b, first, length, levels):
    real = total.dtype.type
    least, most = _bounds(integers, first, length)
    store_outward(low, b, least, False)
    store_outward(high, b, most, True)
    floor = real(load(low, b))
    unit = (real(load(high, b)) - floor) / real(LEVELS)
    unit = unit if unit > 0 else real(np.inf)
    for i in range(np.uintp(first), np.uintp(first + length)):
        levels[i] = _code(total[i], floor, unit)


@njit(**EXACT_INLINE)
def _bounds(integers, first, length):
    """Lowest and highest of floats given as signed integers, which are compared in vector registers."""
    integer = integers.dtype.type
    sign, rest = integers.itemsize * 8 - 1, np.iinfo(integers.dtype).max
    least, most = integer(rest), integer(-rest - 1)
    for i in range(np.uintp(first), np.uintp(first + length)):
        ordered = integer(integers[i] ^ ((integers[i] >> sign) & rest))
        least = ordered if ordered < least else least
        most = ordered if ordered > most else most
    return real_of(least), real_of(most)


@njit(**EXACT_INLINE)
def _code(value, floor, unit):
    """The nearest level; never above the last, as no value is above the bucket's upper bound."""
    return np.uint8(np.int32((value - floor) / unit + np.float32(0.5)))


def store_outward(array, i, bound, upward):
    """Put a bucket's bound in, rounded away from the bucket's inside."""


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
        inside = near < bound if upward else near > bound  # only where the bound is a float64
        raw = np.int64(near.view(np.uint32))
        raw += 0xFFFF + inside if (raw < 1 << 31) == upward else -inside
        array[i] = np.uint16(raw >> 16) if bound == bound else 0x7FC0  # a branch could not be guessed
    return put_bfloat16


@njit(**EXACT)
def _sum_window(param, offset, value, weight1, weight2, mean, square):
    """Add the rows in use to the moments of the block, and ask for the parameter's lines on the way."""
    real = mean.dtype.type
    for row in range(len(weight1)):
        offsets, values = offset[row], value[row]
        for j in range(len(offsets)):
            i = np.uintp(offsets[j])
            prefetch(param, i)
            x = real(load(values, j))
            mean[i] += weight1[row] * x
            square[i] += weight2[row] * (x * x)


@njit(**EXACT)
def _step_sent(param, offset, mean, square, numbers):
    """Step each entry that is in the window once, and leave zeros in the moments."""
    for row in range(len(offset)):
        offsets = offset[row]
        for j in range(len(offsets)):
            i = np.uintp(offsets[j])
            if mean[i] != 0:
                store(param, i, load(param, i) - _step(mean[i], square[i], numbers), np.uint32(0), False)
            mean[i] = square[i] = 0


@njit(**EXACT)
def _step_all(param, mean, square, numbers):
    """Shrink every entry, step those in the window, and leave zeros in the moments."""
    for i in range(len(param)):
        step = _step(mean[i], square[i], numbers)
        entry = load(param, i) * numbers[2] - (step if mean[i] != 0 else mean[i])
        store(param, i, entry, np.uint32(0), False)
        mean[i] = square[i] = 0


@njit(**EXACT_INLINE)
def _step(mean, square, numbers):
    return numbers[0] * (mean * numbers[3]) / (np.sqrt(square * numbers[4]) + numbers[1])
