"""Exact selection of the lowest keys of each chunk by counting digits, most significant first, instead of sorting,
and what becomes of the moments."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._kernel_floats import COMPILE, random_bits

DIGIT = 11  # bits of a key counted at once: two sets of 2048 counters fit the fastest cache
SHORT_DIGIT, MANY = 7, 4096  # of few keys it takes longer to look through the counters than to count
COUNTERS = 2 << DIGIT
GROUPS, SHORTEST = 4, 8  # so many groups for each key wanted, and no shorter ones
OLDEST = 32767  # ages are int16


@njit(**COMPILE)
def select_bits(bits, mask, flip, width, start, chunk, offset, first, last):
    """Write the ascending offsets of the chunks first ... last - 1; equal keys go by the lower offset.

    Args:
        bits: Unsigned bits of the values; the key of a value is (its bits & mask) ^ flip.
        width: Bits of a key.
        offset: Output; the chunk c has its place at start[c] ... start[c + 1] - 1.
    """
    keys, rest = np.empty(chunk, bits.dtype), np.empty(chunk, bits.dtype)
    places, counts = np.empty(chunk, np.int32), np.empty(COUNTERS, np.int32)
    for c in range(first, last):
        values = bits[c * chunk:(c + 1) * chunk]
        for i in range(len(values)):
            keys[i] = (values[i] & mask) ^ flip
        lowest(keys[:len(values)], rest, places, counts, width, offset[start[c]:start[c + 1]])


@njit(**COMPILE)
def select_random_bits(key, numel, start, chunk, offset, first, last):
    """`select_bits` of keys that are the random bits of each place."""
    keys, rest = np.empty(chunk, np.uint32), np.empty(chunk, np.uint32)
    places, counts = np.empty(chunk, np.int32), np.empty(COUNTERS, np.int32)
    for c in range(first, last):
        length = min(chunk, numel - c * chunk)
        for i in range(length):
            keys[i] = random_bits(key, c * chunk + i)
        lowest(keys[:length], rest, places, counts, 32, offset[start[c]:start[c + 1]])


@njit(**COMPILE)
def lowest(keys, rest, places, counts, width, chosen):
    """Write the ascending places of the lowest keys, as many as `chosen` holds.

    Args:
        keys: Unsigned integers of `width` bits.
        rest: Room for as many.
        places: Room for as many int32.
        counts: Room for `COUNTERS` numbers.
    """
    if len(chosen) == 0:
        return
    left = _candidates(keys, rest, places, counts, width, len(chosen))
    if left == 0:
        threshold, equal = _threshold(keys, rest, counts, width, len(chosen))
        left = _up_to(keys, threshold, places)
    else:
        threshold, equal = _threshold(rest[:left], rest, counts, width, len(chosen))
    taken = 0
    for j in range(left):
        i = np.intp(places[j])
        if keys[i] < threshold or (keys[i] == threshold and equal > 0):
            equal -= keys[i] == threshold
            chosen[taken] = i
            taken += 1


@njit(**COMPILE)
def _up_to(keys, threshold, places):
    """Write the ascending places of the keys up to a threshold, without a branch to guess; returns how many."""
    left = 0
    for i in range(len(keys)):
        places[left] = i
        left += keys[i] <= threshold
    return left


@njit(**COMPILE)
def _candidates(keys, rest, places, counts, width, wanted):
    """Copy the few keys that can be among the lowest, and their places; returns how many, 0 where it would not pay.

    The wanted number of groups have their lowest key up to some bound, so no key above that bound is wanted, and a
    group whose lowest key is above it need not be looked at.
    """
    length = 64
    while length * GROUPS * wanted > len(keys):
        length //= 2
    if length < SHORTEST:
        return 0
    minima = _minima(keys, length)
    bound, _ = _threshold(minima, rest, counts, width, wanted)
    left = 0
    for first in range(0, len(keys), length):
        if first // length < len(minima) and minima[first // length] > bound:
            continue
        for i in range(first, min(first + length, len(keys))):
            if keys[i] <= bound:
                rest[left], places[left] = keys[i], i
                left += 1
    return left


@njit(**COMPILE)
def _minima(keys, length):
    """The lowest key of each whole group of neighbours."""
    groups = len(keys) // length
    rows, minima = keys[:groups * length].reshape(groups, length), np.empty(groups, keys.dtype)
    for g in range(groups):
        least = rows[g, 0]
        for i in range(length):
            least = rows[g, i] if rows[g, i] < least else least
        minima[g] = least
    return minima


@njit(**COMPILE)
def _threshold(keys, rest, counts, width, wanted):
    """The key of rank `wanted` (from 1), and how many keys equal to it belong to the lowest `wanted`."""
    pool, shift, prefix = keys, width, 0
    while shift > 0:
        bits = min(shift, DIGIT if len(pool) > MANY else SHORT_DIGIT)
        shift -= bits
        mask, half = (1 << bits) - 1, len(pool) // 2
        counts[:2 << bits] = 0
        for i in range(half):  # on two sets of counters, as equal digits in a row would wait for each other
            counts[np.intp(pool[i] >> shift) & mask] += 1
            counts[(1 << bits) + (np.intp(pool[half + i] >> shift) & mask)] += 1
        for i in range(2 * half, len(pool)):
            counts[np.intp(pool[i] >> shift) & mask] += 1
        for digit in range(1 << bits):
            counts[digit] += counts[(1 << bits) + digit]
        digit = 0
        while counts[digit] < wanted:
            wanted -= counts[digit]
            digit += 1
        prefix = (prefix << bits) | digit
        left = 0
        for i in range(len(pool)):
            rest[left] = pool[i]  # without a branch to guess
            left += np.intp(pool[i] >> shift) == prefix
        pool = rest[:left]
    return keys.dtype.type(prefix), wanted


@njit(**COMPILE)
def carry(old_start, old_offset, old_mean, old_square, old_age, years, start, offset, mean, square, age, first, last):
    """Fill the moments and ages of a new selection from the old one, where an entry was in both, else with zeros.

    Args:
        years: What the old ages have grown by since they were counted.
    """
    for c in range(first, last):
        i, end = old_start[c], old_start[c + 1]
        for j in range(start[c], start[c + 1]):
            while i < end and old_offset[i] < offset[j]:
                i += 1
            if i < end and old_offset[i] == offset[j]:
                mean[j], square[j] = old_mean[i], old_square[i]
                age[j] = min(np.intp(old_age[i]) + years, OLDEST)
            else:
                mean[j] = square[j] = age[j] = 0
