"""AdamW of the selected entries, or of all, without a copy of the parameter: gather, update, scatter.

Selected entries lie apart, so fetching their cache lines is what takes the time. They are taken in short blocks: while
the processor computes a block in vector registers, the lines of the next ones are under way.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._kernel_floats import COMPILE, INLINE, array_at, load, noise, prefetch, store

BLOCK = 64  # entries gathered, computed and scattered together
AHEAD = 128  # entries between the one asked for and the one in use


@njit(**COMPILE)
def adamw_selected(addresses, kinds, lengths, chunk, since, inverse1, inverse2, numbers, keys, first, last):
    """Update the selected entries of the chunks first ... last - 1.

    Addresses instead of arrays, since making seven arrays of tensors takes longer than the loop for a small parameter.

    Args:
        addresses: Of param, grad, mean, square, start, offset and age.
        kinds: Arrays of the types of those.
        lengths: Of param, mean, start and age.
        since: Updates since ages were counted; where there are none, all entries have this one age.
        inverse1: 1 / (1 - beta1 ** age) for each age, or for the one age.
        inverse2: The same for beta2, square root taken.
        numbers: lr, 1 - beta1, beta2, 1 - beta2, eps, decay in the type of the arithmetic.
        keys: Of the random bits for the moments and for the parameter, and whether the latter are used.
    """
    param, grad = array_at(addresses[0], lengths[0], kinds[0]), array_at(addresses[1], lengths[0], kinds[1])
    mean, square = array_at(addresses[2], lengths[1], kinds[2]), array_at(addresses[3], lengths[1], kinds[3])
    start, offset = array_at(addresses[4], lengths[2], kinds[4]), array_at(addresses[5], lengths[1], kinds[5])
    age = array_at(addresses[6], lengths[3], kinds[6])
    entries, gradient = np.empty(BLOCK, inverse1.dtype), np.empty(BLOCK, inverse1.dtype)
    scale1, scale2 = np.full(BLOCK, inverse1[0]), np.full(BLOCK, inverse2[0])
    for c in range(first, last):
        base, end = c * chunk, start[c + 1]
        for j in range(start[c], end, BLOCK):
            count = min(BLOCK, end - j)
            for i in range(count):
                ahead = j + i + AHEAD
                if ahead < len(offset):
                    soon = (base if ahead < end else base + chunk) + np.intp(offset[ahead])
                    prefetch(param, soon)
                    prefetch(grad, soon)
                place = np.uintp(base + np.intp(offset[j + i]))
                entries[i], gradient[i] = load(param, place), load(grad, place)
            if len(age):
                _look_up(age[j:j + count], since, inverse1, inverse2, scale1, scale2)
            _update(entries, gradient, mean[j:j + count], square[j:j + count], scale1, scale2, numbers, keys[0], j)
            for i in range(count):
                place = np.uintp(base + np.intp(offset[j + i]))
                store(param, place, entries[i], noise(param, keys[1], j + i), keys[2])


@njit(**INLINE)
def _look_up(age, since, inverse1, inverse2, scale1, scale2):
    oldest = len(inverse1) - 1
    for i in range(len(age)):
        years = min(np.intp(age[i]) + since, oldest)
        scale1[i], scale2[i] = inverse1[years], inverse2[years]


@njit(**INLINE)
def _update(entries, gradient, mean, square, scale1, scale2, numbers, key, place):
    """Step `entries` and their moments; `place` is that of the first one among the random bits."""
    lr, rest1, beta2, rest2, eps, decay = numbers
    for i in range(len(mean)):
        g, m = load(gradient, i), load(mean, i)
        m = m + rest1 * (g - m)
        v = beta2 * load(square, i) + rest2 * g * g
        entries[i] = entries[i] * decay - lr * scale1[i] * m / (np.sqrt(v) * scale2[i] + eps)
        bits = noise(mean, key, place + i)
        store(mean, i, m, bits, True)
        store(square, i, v, bits >> np.uint32(16), True)


@njit(**COMPILE)
def adamw_all(param, grad, mean, square, inverse1, inverse2, numbers, keys, first, last):
    """Update every entry of the blocks first ... last - 1; see `adamw_selected`."""
    entries = np.empty(BLOCK, inverse1.dtype)
    scale1, scale2 = np.full(BLOCK, inverse1[0]), np.full(BLOCK, inverse2[0])
    for j in range(first * BLOCK, min(last * BLOCK, len(param)), BLOCK):
        block = slice(j, min(j + BLOCK, len(param)))
        weights = param[block]
        for i in range(len(weights)):
            entries[i] = load(weights, i)
        _update(entries, grad[block], mean[block], square[block], scale1, scale2, numbers, keys[0], j)
        for i in range(len(weights)):
            store(weights, i, entries[i], noise(param, keys[1], j + i), keys[2])
