"""Exact selection of the lowest keys of each chunk without sorting, and moments that move along.

Keys are counted in bins; the bin that holds the wanted rank is cut into bins again, until it holds
one key.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types

from nanocl.optim._compiled.floats import COMPILE, intrinsic, random_bits

# fewer bins for at most MANY keys: otherwise searching the bins takes longer than counting
MANY_BINS = 2048
FEW_BINS = 128
MANY = 4096
COUNTERS = 2 * MANY_BINS  # fit the fastest cache
GROUPS = 2  # at least so many groups for each wanted key
LONGEST = 16  # keys of a group at most
SHORTEST = 4  # and at least
OLDEST = 32767  # as in `_plain.selector`: ages are int16


@njit(**COMPILE)
def select_bits(bits, mask, flip, start, chunk, offset, first, last):
    """Write the ascending offsets of the chunks first ... last - 1.

    Of equal keys the lower offset comes first.

    Args:
        bits: Unsigned bits of the values; the key of a value is (its bits & mask) ^ flip.
        offset: Output; chunk c fills start[c] ... start[c + 1] - 1.
    """
    rest = np.empty(chunk, bits.dtype)
    places = np.empty(chunk, np.int32)
    counts = np.empty(COUNTERS, np.int32)
    for c in range(first, last):
        values = bits[c * chunk : (c + 1) * chunk]
        lowest(values, mask, flip, rest, places, counts, offset[start[c] : start[c + 1]])


@njit(**COMPILE)
def select_random_bits(key, numel, start, chunk, offset, first, last):
    """As `select_bits`, with random bits as keys."""
    mask = np.uint32(0xFFFFFFFF)
    flip = np.uint32(0)
    keys = np.empty(chunk, np.uint32)
    rest = np.empty(chunk, np.uint32)
    places = np.empty(chunk, np.int32)
    counts = np.empty(COUNTERS, np.int32)
    for c in range(first, last):
        length = min(chunk, numel - c * chunk)
        for i in range(length):
            keys[i] = random_bits(key, c * chunk + i)
        chosen = offset[start[c] : start[c + 1]]
        lowest(keys[:length], mask, flip, rest, places, counts, chosen)


@njit(**COMPILE)
def lowest(bits, mask, flip, rest, places, counts, chosen):
    """Write the ascending places of the lowest keys, as many as `chosen` holds.

    Args:
        bits: Unsigned integers; a key is (bits & mask) ^ flip.
        rest: Scratch of the same length and type.
        places: Scratch of the same length, int32.
        counts: Scratch of `COUNTERS` numbers.
    """
    if len(chosen) == 0:
        return
    # groups are worth their time only if there are several for each wanted key
    length = LONGEST
    while length * GROUPS * len(chosen) > len(bits):
        length //= 2
    if length >= SHORTEST:
        # a bound discards most keys before the threshold is searched among the others
        bound = _bound(bits, mask, flip, length, counts, len(chosen))
        left = _up_to(bits, mask, flip, bound, places)
        for j in range(left):
            rest[j] = (bits[np.intp(places[j])] & mask) ^ flip
        threshold, equal = _threshold(rest[:left], rest, counts, len(chosen))
    else:
        for i in range(len(bits)):
            rest[i] = (bits[i] & mask) ^ flip
        threshold, equal = _threshold(rest[: len(bits)], rest, counts, len(chosen))
        left = 0
        for i in range(len(bits)):
            places[left] = i  # overwritten if unwanted: a branch would be mispredicted
            left += (bits[i] & mask) ^ flip <= threshold
    # keys below the threshold, and the first of those equal to it
    taken = 0
    for j in range(left):
        place = np.intp(places[j])
        key = (bits[place] & mask) ^ flip
        if key < threshold or (key == threshold and equal > 0):
            equal -= key == threshold
            chosen[taken] = place
            taken += 1


@njit(**COMPILE)
def _bound(bits, mask, flip, length, counts, wanted):
    """A bound that at least `wanted` keys, but few more, do not exceed.

    It is a bound of the lowest keys of as many groups: each such group has at least one key up to
    it.

    Args:
        length: Keys of a group. They are `groups` places apart, so that vector registers compare
            neighbouring groups side by side.
    """
    groups = len(bits) // length
    minima = np.full(groups, mask, bits.dtype)
    for k in range(length):
        for g in range(groups):
            key = (bits[k * groups + g] & mask) ^ flip
            minima[g] = key if key < minima[g] else minima[g]
    prefix, shift, _ = _bin(minima, counts, wanted)
    return bits.dtype.type((prefix << shift) | ((1 << shift) - 1))


@njit(**COMPILE)
def _up_to(bits, mask, flip, bound, places):
    """Write the ascending places of the keys up to a bound; returns their number."""
    left = 0
    whole = len(bits) // 64 * 64
    for first in range(0, whole, 64):
        hits = up_to(bits, first, mask, flip, bound)
        end = left + bit_count(hits)
        # always write four places, which later ones overwrite: a branch would be mispredicted
        for j in range(left, left + 4):
            places[j] = first + lowest_bit(hits)
            hits &= hits - np.uint64(1)
        for j in range(left + 4, end):
            places[j] = first + lowest_bit(hits)
            hits &= hits - np.uint64(1)
        left = end
    for i in range(whole, len(bits)):
        places[left] = i
        left += (bits[i] & mask) ^ flip <= bound
    return left


@intrinsic
def up_to(typing, bits, first, mask, flip, bound):
    """Which of 64 keys do not exceed a bound, as the bits of a number."""

    def generate(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        kind = ir.VectorType(args[2].type, 64)
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), kind.as_pointer())
        values = builder.load(pointer, align=args[2].type.width // 8)
        mask, flip, bound = (_all(builder, arg, kind) for arg in args[2:])
        keys = builder.xor(builder.and_(values, mask), flip)
        return builder.bitcast(builder.icmp_unsigned("<=", keys, bound), ir.IntType(64))

    return types.uint64(bits, types.intp, bits.dtype, bits.dtype, bits.dtype), generate


def _all(builder, value, kind):
    """A vector of 64 copies of the value."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
    return builder.shuffle_vector(one, one, zeros)


@intrinsic
def lowest_bit(typing, number):
    """Place of the lowest bit that is set; 64 if none is."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.IntType(1)(0))

    return types.int64(types.uint64), generate


@intrinsic
def bit_count(typing, number):
    """The number of bits that are set."""

    def generate(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@njit(**COMPILE)
def _threshold(pool, rest, counts, wanted):
    """The key of rank `wanted` (from 1), and how many equal keys are among the lowest `wanted`."""
    prefix, shift, wanted = _bin(pool, counts, wanted)
    # each pass keeps the keys of one bin; at shift 0 a bin is one key
    while shift > 0:
        left = 0
        for i in range(len(pool)):
            rest[left] = pool[i]  # overwritten if unwanted: a branch would be mispredicted
            left += np.intp(pool[i] >> shift) == prefix
        pool = rest[:left]
        prefix, shift, wanted = _bin(pool, counts, wanted)
    return pool.dtype.type(prefix), wanted


@njit(**COMPILE)
def _bin(keys, counts, wanted):
    """The bin that holds the key of rank `wanted`, where bins divide the range of the keys.

    Returns:
        The upper bits that its keys share, the number of lower bits, and the rank within the bin.
    """
    low = high = keys[0]
    for i in range(len(keys)):
        low = keys[i] if keys[i] < low else low
        high = keys[i] if keys[i] > high else high
    # the smallest shift that leaves no more bins than counters
    bins = MANY_BINS if len(keys) > MANY else FEW_BINS
    shift = 0
    half = len(keys) // 2
    while np.intp(high >> shift) - np.intp(low >> shift) >= bins:
        shift += 1
    base = np.intp(low >> shift)
    counts[: 2 * bins] = 0
    # two sets of counters: consecutive additions to one counter would wait for each other
    for i in range(half):
        counts[np.intp(keys[i] >> shift) - base] += 1
        counts[bins + np.intp(keys[half + i] >> shift) - base] += 1
    for i in range(2 * half, len(keys)):
        counts[np.intp(keys[i] >> shift) - base] += 1
    place = 0
    while counts[place] + counts[bins + place] < wanted:
        wanted -= counts[place] + counts[bins + place]
        place += 1
    return base + place, shift, wanted


@njit(**COMPILE)
def carry(old, elapsed, new, first, last):
    """Copy moments and ages of entries that stay selected; entries that are new start at zero.

    Args:
        old, new: Arrays of start, offset, mean, square and age.
        elapsed: Steps since the old ages were stored.
    """
    old_start, old_offset, old_mean, old_square, old_age = old
    start, offset, mean, square, age = new
    # both selections are ascending, so that one pass finds the common entries
    for c in range(first, last):
        i = old_start[c]
        end = old_start[c + 1]
        for j in range(start[c], start[c + 1]):
            while i < end and old_offset[i] < offset[j]:
                i += 1
            if i < end and old_offset[i] == offset[j]:
                mean[j] = old_mean[i]
                square[j] = old_square[i]
                age[j] = min(np.intp(old_age[i]) + elapsed, OLDEST)
            else:
                mean[j] = square[j] = age[j] = 0
