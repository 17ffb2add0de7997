"""A step of MicroAdam, block by block, so that all but the state stays in the processor's caches.

Sums have the order of the plain step and no fused multiply-add, so that both send the same entries.
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
# the usual bucket: with a length that the compiler knows, a loop this short takes half the time
COMMON = 64
LINE = 16  # float32 numbers of a cache line


@njit(**EXACT)
def microadam(table, kinds, window, row, bucket, weight1, weight2, numbers, first, last):
    """Step the blocks of many parameters, within a share of the cost; see `adamw_selected`.

    Args:
        table: For each parameter the columns of `Work`; the addresses of param, grad, codes, low,
            high, offset and value; the lengths of param, low and a row of the window; entries of a
            block; entries that a whole block sends.
        kinds: Arrays of the types behind the addresses.
        window: Rows of the window.
        row: The row written in this step.
        bucket: Even, and divides a block, or there is one block.
        weight1: beta1 to the power of each row's age, for the rows in use.
        weight2: The same for beta2.
        numbers: lr, eps, decay, the factors of the bias correction of both moments and the largest
            magnitude of window and error, in the type of the arithmetic.
    """
    for i in range(len(table)):
        place = table[i, HEAD:]
        begin, end = part(table[i], first, last)
        if begin >= end:
            continue
        numel = place[7]
        buckets = place[8]
        sent = place[9]
        param = array_at(place[0], numel, kinds[0])
        grad = array_at(place[1], numel, kinds[0])
        codes = array_at(place[2], (numel + 1) // 2, kinds[1])
        low = array_at(place[3], buckets, kinds[2])
        high = array_at(place[4], buckets, kinds[2])
        offset = array_at(place[5], window * sent, kinds[3]).reshape((window, sent))
        value = array_at(place[6], window * sent, kinds[2]).reshape((window, sent))
        state = codes, low, high, offset, value
        sizes = place[10], bucket, place[11]
        _blocks(param, grad, state, row, sizes, weight1, weight2, numbers, begin, end)


@njit(**EXACT)
def _blocks(param, grad, state, row, sizes, weight1, weight2, numbers, first, last):
    """Step the blocks first ... last - 1 of one parameter.

    Args:
        state: Codes, two of 4 bits a byte; bounds of the buckets; offsets and values of the
            window, shape (rows, sent).
        sizes: Entries of a block, entries of a bucket, entries that a whole block sends.
    """
    codes, low, high, offset, value = state
    block, bucket, quota = sizes
    rows = -(-block // bucket)
    total = np.empty(block, numbers.dtype)
    levels = np.zeros(rows * bucket, np.uint8)
    mean = np.zeros(block, numbers.dtype)
    square = np.zeros(block, numbers.dtype)
    rest = np.empty(block, bits_of(total).dtype)
    places = np.empty(block, np.int32)
    counts = np.empty(COUNTERS, np.int32)
    for c in range(first, last):
        place = slice(c * block, (c + 1) * block)
        sent = slice(c * quota, (c + 1) * quota)
        buckets = slice(c * block // bucket, c * block // bucket + rows)
        halves = slice(buckets.start * bucket // 2, buckets.stop * bucket // 2)
        gradient = grad[place]
        sums = total[: len(gradient)]
        # Algorithm 1: a <- g + Q^-1(e); send TopK(|a|) to the window; e <- Q(the rest of a)
        _add_error(gradient, codes[halves], low[buckets], high[buckets], bucket, levels, sums)
        _send(sums, rest, places, counts, offset[row, sent], value[row, sent], numbers[5])
        ahead = grad[(c + 1) * block :]
        _quantise(sums, codes[halves], low[buckets], high[buckets], bucket, levels, ahead)
        # ADAMSTATS: moments from the window; then the step
        _sum_window(param[place], offset[:, sent], value[:, sent], weight1, weight2, mean, square)
        if numbers[2] == 1:
            _step_sent(param[place], offset[: len(weight1), sent], mean, square, numbers)
        else:
            _step_all(param[place], mean, square, numbers)


@njit(**EXACT)
def _add_error(grad, codes, low, high, bucket, levels, total):
    """Fill `total` with gradient plus error: Algorithm 2, Q^-1, x <- code * unit + low."""
    pairs = levels.view(np.uint16)
    for i in range(len(codes)):
        code = np.uint16(codes[i])
        pairs[i] = (code | (code << np.uint16(4))) & np.uint16(0x0F0F)
    whole = len(grad) // COMMON if bucket == COMMON else 0
    for b in range(whole):
        _add_bucket(grad, low, high, b, b * COMMON, COMMON, levels, total)
    for b in range(whole, len(low)):
        length = min(bucket, len(grad) - b * bucket)
        _add_bucket(grad, low, high, b, b * bucket, length, levels, total)


@njit(**EXACT_INLINE)
def _add_bucket(grad, low, high, b, first, length, levels, total):
    real = total.dtype.type
    floor = real(load(low, b))
    unit = (real(load(high, b)) - floor) / real(LEVELS)
    for i in range(np.uintp(first), np.uintp(first + length)):
        total[i] = real(load(grad, i)) + (real(levels[i]) * unit + floor)


@njit(**EXACT)
def _send(total, rest, places, counts, offset, value, limit):
    """Move the largest sums to a row of the window; what rounding loses stays in the sum."""
    bits = bits_of(total)
    width = bits.itemsize * 8 - 1
    mask = bits.dtype.type((1 << width) - 1)
    lowest(bits, mask, mask, rest, places, counts, offset)
    beyond = False
    for j in range(len(offset)):
        i = np.uintp(offset[j])
        sent = total[i]
        if not abs(sent) <= limit:
            # an infinite entry stays infinite, so that a diverged run shows
            beyond = True
            if np.isfinite(sent):
                sent = limit if sent > 0 else -limit
        store(value, j, sent, np.uint32(0), False)
        total[i] -= total.dtype.type(load(value, j))
    # the largest sums are sent: if none is beyond the limit, no other is
    if beyond:
        _limit(total, limit)


@njit(**EXACT)
def _limit(total, limit):
    """Keep the error in range: NaN would spread to the bucket and stay in it."""
    for i in range(len(total)):
        if not np.isfinite(total[i]):
            total[i] = 0
        total[i] = min(max(total[i], -limit), limit)


@njit(**EXACT)
def _quantise(total, codes, low, high, bucket, levels, ahead):
    """Turn `total` into codes and bounds; on the way, prefetch the next block's gradient."""
    integers = signed(total)
    whole = len(total) // COMMON if bucket == COMMON else 0
    for b in range(whole):
        for i in range(b * COMMON, (b + 1) * COMMON, LINE):
            prefetch(ahead, i)
        _quantise_bucket(total, integers, low, high, b, b * COMMON, COMMON, levels)
    for b in range(whole, len(low)):
        length = min(bucket, len(total) - b * bucket)
        _quantise_bucket(total, integers, low, high, b, b * bucket, length, levels)
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
    """Lowest and highest of floats, given as signed integers: vector registers compare these."""
    integer = integers.dtype.type
    sign = integers.itemsize * 8 - 1
    rest = np.iinfo(integers.dtype).max
    least = integer(rest)
    most = integer(-rest - 1)
    for i in range(np.uintp(first), np.uintp(first + length)):
        # negative floats rise while their bits fall; flipping all but the sign repairs the order
        ordered = integer(integers[i] ^ ((integers[i] >> sign) & rest))
        least = ordered if ordered < least else least
        most = ordered if ordered > most else most
    return real_of(least), real_of(most)


@njit(**EXACT_INLINE)
def _code(value, floor, unit):
    """Algorithm 2, Q: floor((x - low) / unit + 1/2), at most 15 as no value exceeds the bound."""
    return np.uint8(np.int32((value - floor) / unit + np.float32(0.5)))


@njit(**EXACT)
def _sum_window(param, offset, value, weight1, weight2, mean, square):
    """Add the rows in use to the moments of the block; on the way, prefetch the parameter."""
    real = mean.dtype.type
    for row in range(len(weight1)):
        offsets = offset[row]
        values = value[row]
        for j in range(len(offsets)):
            i = np.uintp(offsets[j])
            prefetch(param, i)
            x = real(load(values, j))
            mean[i] += weight1[row] * x
            square[i] += weight2[row] * (x * x)


@njit(**EXACT)
def _step_sent(param, offset, mean, square, numbers):
    """Step each entry in the window once, and reset its moments to zero."""
    for row in range(len(offset)):
        offsets = offset[row]
        for j in range(len(offsets)):
            i = np.uintp(offsets[j])
            if mean[i] != 0:
                entry = load(param, i) - _step(mean[i], square[i], numbers)
                store(param, i, entry, np.uint32(0), False)
            mean[i] = square[i] = 0


@njit(**EXACT)
def _step_all(param, mean, square, numbers):
    """Shrink every entry, step those in the window, and reset the moments to zero."""
    for i in range(len(param)):
        step = _step(mean[i], square[i], numbers)
        entry = load(param, i) * numbers[2] - (step if mean[i] != 0 else mean[i])
        store(param, i, entry, np.uint32(0), False)
        mean[i] = square[i] = 0


@njit(**EXACT_INLINE)
def _step(mean, square, numbers):
    # lr m / (sqrt v + eps), with bias-corrected moments
    lr = numbers[0]
    eps = numbers[1]
    return lr * (mean * numbers[3]) / (np.sqrt(square * numbers[4]) + eps)
