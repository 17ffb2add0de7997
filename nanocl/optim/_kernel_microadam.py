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
    total, pairs = np.empty((rows, bucket), numbers.dtype), np.zeros((rows, bucket // 2), np.uint8)
    mean, square = np.zeros(block, numbers.dtype), np.zeros(block, numbers.dtype)
    keys, rest = np.empty(block, bits_of(mean).dtype), np.empty(block, bits_of(mean).dtype)
    places, counts = np.empty(block, np.int32), np.empty(COUNTERS, np.int32)
    for c in range(first, last):
        place, sent = slice(c * block, (c + 1) * block), slice(c * quota, (c + 1) * quota)
        buckets = slice(c * block // bucket, c * block // bucket + rows)
        halves = slice(buckets.start * bucket // 2, buckets.stop * bucket // 2)
        gradient = grad[place]
        sums = total.reshape(rows * bucket)[:len(gradient)]
        _add_error(gradient, codes[halves], low[buckets], high[buckets], total, pairs)
        _send(sums, keys[:len(sums)], rest, places, counts, offset[row, sent], value[row, sent])
        _quantise(total, len(sums), codes[halves], low[buckets], high[buckets], pairs)
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
def _add_error(grad, codes, low, high, total, pairs):
    """Fill `total` with gradient plus error, a row a bucket; behind the last entry it holds anything."""
    real = total.dtype.type
    flat, flat_pairs = total.reshape(total.size), pairs.reshape(pairs.size)
    for i in range(len(grad)):
        flat[i] = load(grad, i)
    for i in range(len(codes)):
        flat_pairs[i] = codes[i]
    for b in range(len(low)):
        floor = real(load(low, b))
        unit = (real(load(high, b)) - floor) / real(LEVELS)
        for i in range(pairs.shape[1]):
            total[b, 2 * i] += real(pairs[b, i] & 15) * unit + floor
            total[b, 2 * i + 1] += real(pairs[b, i] >> 4) * unit + floor


@njit(**EXACT)
def _send(total, keys, rest, places, counts, offset, value):
    """Move the largest sums to a row of the window; what rounding loses stays."""
    bits = bits_of(total)
    width = bits.itemsize * 8 - 1
    mask = bits.dtype.type((1 << width) - 1)
    for i in range(len(total)):
        keys[i] = (bits[i] & mask) ^ mask
    lowest(keys, rest, places, counts, width, offset)
    for j in range(len(offset)):
        i = np.uintp(offset[j])
        store(value, j, total[i], np.uint32(0), False)
        total[i] -= total.dtype.type(load(value, j))


@njit(**EXACT)
def _quantise(total, length, codes, low, high, pairs):
    real = total.dtype.type
    flat, flat_pairs = total.reshape(total.size), pairs.reshape(pairs.size)
    for i in range(length, len(flat)):
        flat[i] = flat[length - 1]  # moves no bound
    integers = signed(total)
    for b in range(len(low)):
        least, most = _bounds(integers, b)
        store_outward(low, b, least, False)
        store_outward(high, b, most, True)
        floor = real(load(low, b))
        unit = (real(load(high, b)) - floor) / real(LEVELS)
        unit = unit if unit > 0 else real(np.inf)
        for i in range(pairs.shape[1]):
            pairs[b, i] = _code(total[b, 2 * i], floor, unit) | (_code(total[b, 2 * i + 1], floor, unit) << 4)
    for i in range(len(codes)):
        codes[i] = flat_pairs[i]
    if length % 2:
        codes[-1] &= 15


@njit(**EXACT_INLINE)
def _bounds(integers, b):
    """Lowest and highest of a row of floats given as signed integers, which are compared in vector registers."""
    integer = integers.dtype.type
    sign, rest = integers.itemsize * 8 - 1, np.iinfo(integers.dtype).max
    least = most = integer(integers[b, 0] ^ ((integers[b, 0] >> sign) & rest))
    for i in range(integers.shape[1]):
        ordered = integer(integers[b, i] ^ ((integers[b, i] >> sign) & rest))
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
        store(array, i, bound, np.uint32(0), False)
        rounded = load(array, i)
        if rounded < bound if upward else rounded > bound:
            if rounded == 0:
                array[i] = 0x0001 if upward else 0x8001
            else:
                away = (rounded > 0) == upward
                array[i] = array[i] + 1 if away else array[i] - 1
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
