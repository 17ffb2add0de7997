"""A step of MoFO as a compiled loop; where parameter and moments differ in type, the plain step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from torch import Tensor

from nanocl.optim._compiled.dense import arrays_of, has_one_type, scalars_of
from nanocl.optim._compiled.floats import COMPILE, bits_of
from nanocl.optim._compiled.loops_select import COUNTERS, lowest
from nanocl.optim._plain import mofo as plain
from nanocl.optim._plain.adamw import AdamStep
from nanocl.optim._plain.selection import even_starts
from nanocl.optim._threads import Work

SELECTING = 4  # a step that selects takes 4 times as long as one that does not


def mofo(
    param: Tensor,
    state: dict[str, Any],
    step: AdamStep,
    density: float,
    chunk: int,
) -> list[Work]:
    """See `_plain.mofo.mofo`; returns the loop that still has to run."""
    if not has_one_type(param, state):
        return plain.mofo(param, state, step, density, chunk)
    start = even_starts(param.numel(), density, chunk).numpy()
    args = (*arrays_of(param, state), start, chunk, *scalars_of(param, step))
    chunks = len(start) - 1
    cost = max(1, SELECTING * param.numel())
    return [Work(_chunks, args, chunks, cost)]


@njit(**COMPILE)
def _chunks(param, grad, mean, square, start, chunk, taking, moving, first, last):
    """Step the chunks first ... last - 1.

    Args:
        start: Of chunk c, start[c + 1] - start[c] entries move.
        taking, moving: See `dense.scalars_of`.
    """
    bits = bits_of(mean)
    mask = bits.dtype.type((1 << (bits.itemsize * 8 - 1)) - 1)
    rest = np.empty(chunk, bits.dtype)
    places = np.empty(chunk, np.int32)
    counts = np.empty(COUNTERS, np.int32)
    # long enough for every chunk; the last one may be shorter
    offset = np.empty(start[1] - start[0] if last > first else 0, np.int32)
    for c in range(first, last):
        place = slice(c * chunk, (c + 1) * chunk)
        # Algorithm 1: moments of every entry, filter FLT_alpha(m), step of the entries it keeps
        _take(grad[place], mean[place], square[place], taking)
        chosen = offset[: start[c + 1] - start[c]]
        lowest(bits[place], mask, mask, rest, places, counts, chosen)
        _move(param[place], mean[place], square[place], chosen, moving)


@njit(**COMPILE)
def _take(grad, mean, square, numbers):
    rest1, beta2, rest2 = numbers
    # m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2
    for i in range(len(mean)):
        g = grad[i]
        mean[i] += rest1 * (g - mean[i])
        square[i] = beta2 * square[i] + rest2 * g * g


@njit(**COMPILE)
def _move(param, mean, square, chosen, numbers):
    lr, scale, eps, decay = numbers
    # w <- decay w - lr m / (sqrt v + eps), the bias corrections in lr and scale
    for j in range(len(chosen)):
        i = np.uintp(chosen[j])
        root = np.sqrt(square[i]) * scale
        param[i] = param[i] * decay - lr * mean[i] / (root + eps)
