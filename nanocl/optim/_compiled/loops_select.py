"""Exact selection of the lowest keys of each chunk by counting them in narrower and narrower bins instead of sorting,
and what becomes of the moments."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from nanocl.optim._compiled.floats import COMPILE, random_bits

MANY_BINS, FEW_BINS, MANY = (
    2048,
    128,
    4096,
)  # for few keys it takes longer to look through the bins than to count
COUNTERS = 2 * MANY_BINS  # fit the fastest cache
GROUPS, LONGEST, SHORTEST = (
    2,
    16,
    4,
)  # groups for each key wanted at least, and how many keys a group may have
OLDEST = 32767  # ages are int16


@njit(**COMPILE)
def select_bits(bits, mask, flip, start, chunk, offset, first, last):
    """Write the ascending offsets of the chunks first ... last - 1; equal keys go by the lower offset.

    Args:
        bits: Unsigned bits of the values; the key of a value is (its bits & mask) ^ flip.
        offset: Output; the chunk c has its place at start[c] ... start[c + 1] - 1.
    """
    rest, places, counts = (
        np.empty(chunk, bits.dtype),
        np.empty(chunk, np.int32),
        np.empty(COUNTERS, np.int32),
    )
    for c in range(first, last):
        values = bits[c * chunk : (c + 1) * chunk]
        lowest(values, mask, flip, rest, places, counts, offset[start[c] : start[c + 1]])


@njit(**COMPILE)
def select_random_bits(key, numel, start, chunk, offset, first, last):
    """`select_bits` of keys that are the random bits of each place."""
    keys, rest = np.empty(chunk, np.uint32), np.empty(chunk, np.uint32)
    places, counts = np.empty(chunk, np.int32), np.empty(COUNTERS, np.int32)
    for c in range(first, last):
        length = min(chunk, numel - c * chunk)
        for i in range(length):
            keys[i] = random_bits(key, c * chunk + i)
        lowest(
            keys[:length],
            np.uint32(0xFFFFFFFF),
            np.uint32(0),
            rest,
            places,
            counts,
            offset[start[c] : start[c + 1]],
        )


@njit(**COMPILE)
def lowest(bits, mask, flip, rest, places, counts, chosen):
    """Write the ascending places of the lowest keys, as many as `chosen` holds.

    Args:
        bits: Unsigned integers; a key is (bits & mask) ^ flip.
        rest: Room for as many.
        places: Room for as many int32.
        counts: Room for `COUNTERS` numbers.
    """
    if len(chosen) == 0:
        return
    length = LONGEST
    while length * GROUPS * len(chosen) > len(bits):
        length //= 2
    if length >= SHORTEST:
        left = _up_to(
            bits, mask, flip, _bound(bits, mask, flip, length, counts, len(chosen)), places
        )
        for j in range(left):
            rest[j] = (bits[np.intp(places[j])] & mask) ^ flip
        threshold, equal = _threshold(rest[:left], rest, counts, len(chosen))
    else:
        for i in range(len(bits)):
            rest[i] = (bits[i] & mask) ^ flip
        threshold, equal = _threshold(rest[: len(bits)], rest, counts, len(chosen))
        left = 0
        for i in range(len(bits)):
            places[left] = i  # without a branch to guess
            left += (bits[i] & mask) ^ flip <= threshold
    taken = 0
    for j in range(left):
        i = np.intp(places[j])
        key = (bits[i] & mask) ^ flip
        if key < threshold or (key == threshold and equal > 0):
            equal -= key == threshold
            chosen[taken] = i
            taken += 1


@njit(**COMPILE)
def _bound(bits, mask, flip, length, counts, wanted):
    """A number that at least `wanted` keys are not above, and few more: so many groups have their lowest key up to it.

    Args:
        length: Keys of a group. They lie apart, so that the lowest keys of neighbouring groups are
            found side by side.
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
    """Write the ascending places of the keys not above a bound; returns how many."""
    left, whole = 0, len(bits) // 64 * 64
    for first in range(0, whole, 64):
        found = up_to(bits, first, mask, flip, bound)
        end = left + bit_count(found)
        for j in range(left, left + 4):  # even if there are fewer, as a branch could not be guessed
            places[j] = first + lowest_bit(found)
            found &= found - np.uint64(1)
        for j in range(left + 4, end):
            places[j] = first + lowest_bit(found)
            found &= found - np.uint64(1)
        left = end
    for i in range(whole, len(bits)):
        places[left] = i
        left += (bits[i] & mask) ^ flip <= bound
    return left


@intrinsic
def up_to(typing, bits, first, mask, flip, bound):
    """Which of 64 keys are not above a bound, as the bits of a number."""

    def generate(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        kind = ir.VectorType(args[2].type, 64)
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), kind.as_pointer())
        values = builder.load(pointer, align=args[2].type.width // 8)
        mask, flip, bound = (_all(builder, arg, kind) for arg in args[2:])
        return builder.bitcast(
            builder.icmp_unsigned("<=", builder.xor(builder.and_(values, mask), flip), bound),
            ir.IntType(64),
        )

    return types.uint64(bits, types.intp, bits.dtype, bits.dtype, bits.dtype), generate


def _all(builder, value, kind):
    """The vector of 64 times the value."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(
        one, one, ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
    )


@intrinsic
def lowest_bit(typing, number):
    """Place of the lowest bit that is set; 64 where there is none."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.IntType(1)(0))

    return types.int64(types.uint64), generate


@intrinsic
def bit_count(typing, number):
    """How many bits are set."""

    def generate(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@njit(**COMPILE)
def _threshold(pool, rest, counts, wanted):
    """The key of rank `wanted` (from 1), and how many keys equal to it belong to the lowest `wanted`."""
    prefix, shift, wanted = _bin(pool, counts, wanted)
    while shift > 0:
        left = 0
        for i in range(len(pool)):
            rest[left] = pool[i]  # without a branch to guess
            left += np.intp(pool[i] >> shift) == prefix
        pool = rest[:left]
        prefix, shift, wanted = _bin(pool, counts, wanted)
    return pool.dtype.type(prefix), wanted


@njit(**COMPILE)
def _bin(keys, counts, wanted):
    """Of the bins that the range of the keys is cut into, the one with the key of rank `wanted`.

    Returns:
        What its keys have in common, by how many bits a key is shifted to get it, and the rank in
        the bin.
    """
    low = high = keys[0]
    for i in range(len(keys)):
        low = keys[i] if keys[i] < low else low
        high = keys[i] if keys[i] > high else high
    bins = MANY_BINS if len(keys) > MANY else FEW_BINS
    shift, half = 0, len(keys) // 2
    while np.intp(high >> shift) - np.intp(low >> shift) >= bins:
        shift += 1
    base = np.intp(low >> shift)
    counts[: 2 * bins] = 0
    for i in range(
        half
    ):  # on two sets of counters, as equal bins in a row would wait for each other
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
def carry(
    old_start,
    old_offset,
    old_mean,
    old_square,
    old_age,
    years,
    start,
    offset,
    mean,
    square,
    age,
    first,
    last,
):
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
