"""AdamW of selected entries, or of all, without a copy of the parameter: gather, update, scatter.

Selected entries lie apart, so most of the time goes to fetching their cache lines. Entries are
taken in short blocks: while the processor computes one block in vector registers, the lines of the
next blocks are on their way. Where hardly two entries share a line, the loop asks for them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nanocl.optim._compiled.floats import COMPILE, INLINE, array_at, load, noise, prefetch, store

BLOCK = 64  # entries gathered, computed and scattered together
AHEAD = 128  # entries between the one prefetched and the one in use
LINE = 64  # bytes of a cache line
HEAD = 3  # columns that `Work` puts before each row of a table


@njit(**COMPILE)
def adamw_selected(table, kinds, inverse1, inverse2, numbers, stochastic, first, last):
    """Update the selected entries of many parameters, within a share of the cost.

    The share is first ... last - 1 of the cost of all parameters. The table holds addresses,
    because making seven arrays of tensors takes longer than the loop over a small parameter.

    Args:
        table: For each parameter the columns of `Work`; the addresses of param, grad, mean,
            square, start, offset and age; the lengths of param, mean, start and age; entries of a
            chunk; updates since ages were stored; the keys of the random bits for the moments and
            for the parameter.
        kinds: Arrays of the types behind the addresses.
        inverse1: 1 / (1 - beta1 ** age) for each age; without ages, for the one age of all entries.
        inverse2: (1 - beta2 ** age) ** -0.5, likewise.
        numbers: lr, 1 - beta1, beta2, 1 - beta2, eps, decay in the type of the arithmetic.
        stochastic: Whether the parameter is rounded stochastically.
    """
    buffer = np.empty((2, BLOCK), inverse1.dtype)
    scale1 = np.full(BLOCK, inverse1[0])
    scale2 = np.full(BLOCK, inverse2[0])
    for i in range(len(table)):
        row = table[i, HEAD:]
        begin, end = part(table[i], first, last)
        if begin >= end:
            continue
        _selected(
            row,
            kinds,
            inverse1,
            inverse2,
            numbers,
            stochastic,
            begin,
            end,
            buffer,
            scale1,
            scale2,
        )


@njit(**INLINE)
def part(row, first, last):
    """The pieces of one parameter within a share of the cost of all.

    Adjacent shares give adjacent pieces, so that every piece is done once.
    """
    begin = row[0]
    cost = row[1]
    pieces = row[2]
    return (
        min(max(first - begin, 0), cost) * pieces // cost,
        min(max(last - begin, 0), cost) * pieces // cost,
    )


@njit(**COMPILE)
def _selected(
    row, kinds, inverse1, inverse2, numbers, stochastic, first, last, buffer, scale1, scale2
):
    """Update the chunks first ... last - 1 of one parameter."""
    param = array_at(row[0], row[7], kinds[0])
    grad = array_at(row[1], row[7], kinds[1])
    mean = array_at(row[2], row[8], kinds[2])
    square = array_at(row[3], row[8], kinds[3])
    start = array_at(row[4], row[9], kinds[4])
    offset = array_at(row[5], row[8], kinds[5])
    age = array_at(row[6], row[10], kinds[6])
    chunk = row[11]
    since = row[12]
    key = np.uint32(row[13])
    weight_key = np.uint32(row[14])
    entries = buffer[0]
    gradient = buffer[1]
    # entries that share cache lines come fast enough without: a fifth of the time of 90,000 weights
    # at density 0.1, while isolated ones of 20 million at 0.01 gain a twelfth
    fetched = len(offset) if len(offset) * LINE < len(param) * param.itemsize else 0
    for c in range(first, last):
        base = c * chunk
        end = start[c + 1]
        for j in range(start[c], end, BLOCK):
            count = min(BLOCK, end - j)
            # gather, and prefetch the entries that come AHEAD places later
            for i in range(count):
                ahead = j + i + AHEAD
                if ahead < fetched:
                    soon = (base if ahead < end else base + chunk) + np.intp(offset[ahead])
                    prefetch(param, soon)
                    prefetch(grad, soon)
                place = np.uintp(base + np.intp(offset[j + i]))
                entries[i] = load(param, place)
                gradient[i] = load(grad, place)
            if len(age):
                _look_up(age[j : j + count], since, inverse1, inverse2, scale1, scale2)
            means = mean[j : j + count]
            squares = square[j : j + count]
            _update(entries, gradient, means, squares, scale1, scale2, numbers, key, j)
            # scatter
            for i in range(count):
                place = np.uintp(base + np.intp(offset[j + i]))
                store(param, place, entries[i], noise(param, weight_key, j + i), stochastic)


@njit(**INLINE)
def _look_up(age, since, inverse1, inverse2, scale1, scale2):
    """The bias corrections of a block whose entries differ in age."""
    oldest = len(inverse1) - 1
    for i in range(len(age)):
        updates = min(np.intp(age[i]) + since, oldest)
        scale1[i] = inverse1[updates]
        scale2[i] = inverse2[updates]


@njit(**INLINE)
def _update(entries, gradient, mean, square, scale1, scale2, numbers, key, place):
    """Step `entries` and their moments; `place` is the position of their first random bits."""
    lr, rest1, beta2, rest2, eps, decay = numbers
    for i in range(len(mean)):
        g = load(gradient, i)
        m = load(mean, i)
        # Loshchilov and Hutter's Algorithm 2, lines 7 and 8: the moments
        m = m + rest1 * (g - m)
        v = beta2 * load(square, i) + rest2 * g * g
        # lines 9, 10 and 12: bias corrections, decoupled decay, step
        entries[i] = entries[i] * decay - lr * scale1[i] * m / (np.sqrt(v) * scale2[i] + eps)
        bits = noise(mean, key, place + i)
        store(mean, i, m, bits, True)
        store(square, i, v, bits >> np.uint32(16), True)


@njit(**COMPILE)
def adamw_all(table, kinds, inverse1, inverse2, numbers, stochastic, first, last):
    """Update every entry of many parameters, within a share of the cost; see `adamw_selected`.

    Args:
        table: For each parameter the columns of `Work`; the addresses of param, grad, mean and
            square; their length; the keys of the random bits.
    """
    entries = np.empty(BLOCK, inverse1.dtype)
    scale1 = np.full(BLOCK, inverse1[0])
    scale2 = np.full(BLOCK, inverse2[0])
    for i in range(len(table)):
        row = table[i, HEAD:]
        begin, end = part(table[i], first, last)
        if begin < end:
            _all(row, kinds, numbers, stochastic, begin, end, entries, scale1, scale2)


@njit(**COMPILE)
def _all(row, kinds, numbers, stochastic, first, last, entries, scale1, scale2):
    """Update the blocks first ... last - 1 of one parameter."""
    param = array_at(row[0], row[4], kinds[0])
    grad = array_at(row[1], row[4], kinds[1])
    mean = array_at(row[2], row[4], kinds[2])
    square = array_at(row[3], row[4], kinds[3])
    key = np.uint32(row[5])
    weight_key = np.uint32(row[6])
    for j in range(first * BLOCK, min(last * BLOCK, len(param)), BLOCK):
        block = slice(j, min(j + BLOCK, len(param)))
        weights = param[block]
        for i in range(len(weights)):
            entries[i] = load(weights, i)
        _update(entries, grad[block], mean[block], square[block], scale1, scale2, numbers, key, j)
        for i in range(len(weights)):
            store(weights, i, entries[i], noise(param, weight_key, j + i), stochastic)
