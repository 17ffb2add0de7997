"""Selection of the entries that a masked arm trains, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

ALL, FIXED, SMALL, LARGE, GRADIENT, RANDOM, NEURON = range(7)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
Array = np.ndarray


@njit(nogil=True, cache=True)
def choose(
    weights: Array,
    head: Array,
    slope_weights: Array,
    slope_head: Array,
    select: int,
    quota_weights: int,
    quota_head: int,
    quota_neurons: int,
    sizes: Array,
    key: np.uint64,
    chosen_weights: Array,
    chosen_head: Array,
) -> None:
    """Mark the entries to train.

    Plain loops, because a call of a numpy function would take a second to compile.
    """
    n, d = weights.shape
    if select == NEURON:
        whole_head = quota_head == n
        _choose_neurons(
            weights, head, quota_neurons, whole_head, sizes, chosen_weights, chosen_head
        )
        return
    # single entries, each layer with its own quota
    keys = np.empty(n * d, np.float64)
    for i in range(n):
        for k in range(d):
            keys[i * d + k] = _key_of(weights[i, k], slope_weights[i, k], select, key, i * d + k)
    limit, ties = _limit(keys, quota_weights)
    for i in range(n):
        for k in range(d):
            chosen_weights[i, k], ties = _is_low(keys[i * d + k], limit, ties)
    for i in range(n):
        keys[i] = _key_of(head[i], slope_head[i], select, key, n * d + i)
    limit, ties = _limit(keys[:n], quota_head)
    for i in range(n):
        chosen_head[i], ties = _is_low(keys[i], limit, ties)


@njit(nogil=True, cache=True)
def _choose_neurons(
    weights: Array,
    head: Array,
    quota: int,
    whole_head: bool,
    sizes: Array,
    chosen_weights: Array,
    chosen_head: Array,
) -> None:
    """Mark whole neurons: those with the smallest |a| ||w||, or with `sizes` in place of |a|."""
    n, d = weights.shape
    keys = np.empty(n, np.float64)
    for i in range(n):
        square = 0.0
        for k in range(d):
            square += weights[i, k] ** 2
        keys[i] = np.sqrt(square) * (abs(head[i]) if sizes.size == 0 else sizes[i])
    limit, ties = _limit(keys, quota)
    for i in range(n):
        chosen, ties = _is_low(keys[i], limit, ties)
        for k in range(d):
            chosen_weights[i, k] = chosen
        chosen_head[i] = chosen or whole_head


@njit(nogil=True, cache=True)
def _key_of(
    value: float,
    slope: float,
    select: int,
    key: np.uint64,
    place: int,
) -> float:
    """A sort key; the entries with the lowest keys are chosen."""
    if select == SMALL:
        return float(abs(value))
    if select == LARGE:
        return -float(abs(value))
    if select == GRADIENT:
        return -float(abs(slope))
    if select == RANDOM:
        # the upper 53 bits: every one is a float64
        return float(mixed(key + np.uint64(place) * _GOLDEN) >> np.uint64(11))
    return 0.0


@njit(nogil=True, cache=True)
def mixed(bits: np.uint64) -> np.uint64:
    """Scrambled bits: SplitMix64 (Steele, Lea and Flood, 2014, doi:10.1145/2660193.2660195)."""
    bits += _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(nogil=True, cache=True)
def _limit(keys: Array, count: int) -> tuple[float, int]:
    """The `count`-th lowest key, and how many keys equal to it are among the `count` lowest."""
    if count <= 0:
        return -np.inf, 0
    lowest = np.empty(count, np.float64)
    held = 0
    # insertion sort that keeps the `count` lowest: `count` is small
    for key in keys:
        if held == count:
            if key >= lowest[held - 1]:
                continue
            held -= 1
        place = held
        while place > 0 and lowest[place - 1] > key:
            lowest[place] = lowest[place - 1]
            place -= 1
        lowest[place] = key
        held += 1
    limit = lowest[held - 1]
    ties = 0
    for place in range(held):
        if lowest[place] == limit:
            ties += 1
    return limit, ties


@njit(nogil=True, cache=True)
def _is_low(key: float, limit: float, ties: int) -> tuple[bool, int]:
    """Whether a key is chosen, and how many equal keys may still be; the first ones are."""
    if key == limit and ties > 0:
        return True, ties - 1
    return key < limit, ties
