"""Loops of the functions of `_plain_filtered`; parameter, gradient and moments are of one type, float32 or float64."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._kernel_floats import COMPILE

PIECE = 1024  # entries of a piece of work


@njit(**COMPILE)
def moments_all(grad, mean, square, numbers, first, last):
    """Take the gradient into the moments of the pieces first ... last - 1.

    Args:
        numbers: 1 - beta1, beta2, 1 - beta2 in the type of the arithmetic.
    """
    rest1, beta2, rest2 = numbers
    piece = slice(first * PIECE, last * PIECE)
    grad, mean, square = grad[piece], mean[piece], square[piece]
    for i in range(len(mean)):
        g = grad[i]
        mean[i] += rest1 * (g - mean[i])
        square[i] = beta2 * square[i] + rest2 * g * g


@njit(**COMPILE)
def move_chosen(param, mean, square, start, offset, chunk, numbers, first, last):
    """Step the selected entries of the chunks first ... last - 1, from moments of every entry.

    Args:
        numbers: lr / (1 - beta1 ** age), (1 - beta2 ** age) ** -0.5, eps, decay in the type of the arithmetic.
    """
    lr, scale, eps, decay = numbers
    for c in range(first, last):
        for j in range(start[c], start[c + 1]):
            i = np.uintp(c * chunk + np.intp(offset[j]))
            param[i] = param[i] * decay - lr * mean[i] / (np.sqrt(square[i]) * scale + eps)


@njit(**COMPILE)
def cautious_all(param, grad, mean, square, numbers, first, last):
    """Step every entry of the pieces first ... last - 1.

    Args:
        numbers: Those of `moments_all` and of `move_chosen`.
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
        away = ((w < 0) & (update > 0)) | ((w > 0) & (update < 0))  # not by a product, which may come to zero
        param[i] = (w if away else w * decay) - update
