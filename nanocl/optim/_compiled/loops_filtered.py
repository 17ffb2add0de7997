"""Loops of the functions of `_plain_filtered`; parameter, gradient and moments are of one type, float32 or float64."""

from __future__ import annotations

import numpy as np
from numba import njit

from nanocl.optim._compiled.floats import COMPILE, bits_of
from nanocl.optim._compiled.loops_select import COUNTERS, lowest

PIECE = 1024  # entries of a piece of work


@njit(**COMPILE)
def mofo_chunks(param, grad, mean, square, start, chunk, taking, moving, first, last):
    """Take the gradient into the moments of the chunks first ... last - 1, and step their largest momenta.

    Args:
        start: The chunk c steps start[c + 1] - start[c] of its entries.
        taking: 1 - beta1, beta2, 1 - beta2 in the type of the arithmetic.
        moving: lr / (1 - beta1 ** age), (1 - beta2 ** age) ** -0.5, eps, decay.
    """
    bits = bits_of(mean)
    mask = bits.dtype.type((1 << (bits.itemsize * 8 - 1)) - 1)
    rest, places, counts = (
        np.empty(chunk, bits.dtype),
        np.empty(chunk, np.int32),
        np.empty(COUNTERS, np.int32),
    )
    offset = np.empty(
        start[1] - start[0] if last > first else 0, np.int32
    )  # the last chunk may be shorter
    for c in range(first, last):
        place = slice(c * chunk, (c + 1) * chunk)
        _take(grad[place], mean[place], square[place], taking)
        chosen = offset[: start[c + 1] - start[c]]
        lowest(bits[place], mask, mask, rest, places, counts, chosen)
        _move(param[place], mean[place], square[place], chosen, moving)


@njit(**COMPILE)
def _take(grad, mean, square, numbers):
    rest1, beta2, rest2 = numbers
    for i in range(len(mean)):
        g = grad[i]
        mean[i] += rest1 * (g - mean[i])
        square[i] = beta2 * square[i] + rest2 * g * g


@njit(**COMPILE)
def _move(param, mean, square, chosen, numbers):
    lr, scale, eps, decay = numbers
    for j in range(len(chosen)):
        i = np.uintp(chosen[j])
        param[i] = param[i] * decay - lr * mean[i] / (np.sqrt(square[i]) * scale + eps)


@njit(**COMPILE)
def cautious_all(param, grad, mean, square, numbers, first, last):
    """Step every entry of the pieces first ... last - 1.

    Args:
        numbers: `taking` and `moving` of `mofo_chunks`.
    """
    rest1, beta2, rest2, lr, scale, eps, decay = numbers
    piece = slice(first * PIECE, last * PIECE)
    param, grad, mean, square = param[piece], grad[piece], mean[piece], square[piece]
    for i in range(len(param)):
        g, w = grad[i], param[i]
        m = mean[i] + rest1 * (g - mean[i])
        v = beta2 * square[i] + rest2 * g * g
        mean[i], square[i] = m, v
        update = lr * m / (np.sqrt(v) * scale + eps)
        away = ((w < 0) & (update > 0)) | (
            (w > 0) & (update < 0)
        )  # not by a product, which may come to zero
        param[i] = (w if away else w * decay) - update
