"""A step of MicroAdam, block by block, so that everything but the state stays in the processor's caches.

Sums are formed in the order of the plain path and without fused multiply-add, so that both send the
same entries.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nanocl.optim._compiled.floats import (
    EXACT,
    EXACT_INLINE,
    array_at,
    bits_of,
    load,
    prefetch,
    real_of,
    signed,
    store,
    store_outward,
)
from nanocl.optim._compiled.loops_adamw import HEAD, part
from nanocl.optim._compiled.loops_select import COUNTERS, lowest

LEVELS = 15
# the usual bucket; where the compiler knows the length, a loop over so few entries takes half the
# time
COMMON = 64
LINE = 16  # float32 numbers of a cache line


@njit(**EXACT)
def microadam(table, kinds, window, row, bucket, weight1, weight2, numbers, first, last):
    """Step the blocks of many parameters, those whose cost lies in first ... last - 1.

    Args:
        table: For each parameter what `Work` puts first; the addresses of param, grad, codes, low,
            high, offset and value; the lengths of param, low and a row of the window; entries of a
            block; how many a whole one sends.
        kinds: Arrays of the types behind the addresses.
        window: Rows of the window.
        row: The one that is written.
        bucket: Even, and divides a block, or there is one block.
        weight1: beta1 to the power of each row's age, for the rows in use.
        weight2: The same for beta2.
        numbers: lr, eps, decay and the factors of the bias correction of both moments, in the type
            of the arithmetic.
    """
    for i in range(len(table)):
        place, (begin, end) = table[i, HEAD:], part(table[i], first, last)
        if begin < end:
            param, grad = (
                array_at(place[0], place[7], kinds[0]),
                array_at(place[1], place[7], kinds[0]),
            )
            codes = array_at(place[2], (place[7] + 1) // 2, kinds[1])
            low, high = (
                array_at(place[3], place[8], kinds[2]),
                array_at(place[4], place[8], kinds[2]),
            )
            shape = window, place[9]
            offset = array_at(place[5], window * place[9], kinds[3]).reshape(shape)
            value = array_at(place[6], window * place[9], kinds[2]).reshape(shape)
            _blocks(
                param,
                grad,
                codes,
                low,
                high,
                offset,
                value,
                row,
                place[10],
                bucket,
                place[11],
                weight1,
                weight2,
                numbers,
                begin,
                end,
            )


@njit(**EXACT)
def _blocks(
    param,
    grad,
    codes,
    low,
    high,
    offset,
    value,
    row,
    block,
    bucket,
    quota,
    weight1,
    weight2,
    numbers,
    first,
    last,
):
    """Step the blocks first ... last - 1 of one parameter.

    Args:
        codes: Two 4-bit codes a byte.
        offset: The window's offsets, shape (rows, sent).
        quota: Entries that a whole block sends.
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
        sums = total[: len(gradient)]
        _add_error(gradient, codes[halves], low[buckets], high[buckets], bucket, levels, sums)
        _send(sums, rest, places, counts, offset[row, sent], value[row, sent])
        _quantise(
            sums,
            codes[halves],
            low[buckets],
            high[buckets],
            bucket,
            levels,
            grad[(c + 1) * block :],
        )
        _sum_window(param[place], offset[:, sent], value[:, sent], weight1, weight2, mean, square)
        if numbers[2] == 1:
            _step_sent(param[place], offset[: len(weight1), sent], mean, square, numbers)
        else:
            _step_all(param[place], mean, square, numbers)


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
        _add_bucket(
            grad, low, high, b, b * bucket, min(bucket, len(grad) - b * bucket), levels, total
        )


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
        _quantise_bucket(
            total, integers, low, high, b, b * bucket, min(bucket, len(total) - b * bucket), levels
        )
    levels[len(total) :] = 0
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
                store(
                    param,
                    i,
                    load(param, i) - _step(mean[i], square[i], numbers),
                    np.uint32(0),
                    False,
                )
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
