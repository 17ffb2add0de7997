"""A step of AdamW with cautious decay as a compiled loop; the plain step where types differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from torch import Tensor

from nanocl.optim._compiled.dense import arrays_of, has_one_type, scalars_of
from nanocl.optim._compiled.floats import COMPILE
from nanocl.optim._plain import cautious_adamw as plain
from nanocl.optim._plain.adamw import AdamStep
from nanocl.optim._threads import Work

PIECE = 1024  # entries of a piece of work


def cautious_adamw(param: Tensor, state: dict[str, Any], step: AdamStep) -> list[Work]:
    """See `_plain.cautious_adamw.cautious_adamw`; returns the loop that still has to run."""
    if not has_one_type(param, state):
        return plain.cautious_adamw(param, state, step)
    taking, moving = scalars_of(param, step)
    args = (*arrays_of(param, state), taking + moving)
    numel = param.numel()
    pieces = -(-numel // PIECE)
    return [Work(_pieces, args, pieces, max(1, numel))]


@njit(**COMPILE)
def _pieces(param, grad, mean, square, numbers, first, last):
    """Step every entry of the pieces first ... last - 1.

    Args:
        numbers: The two tuples of `dense.scalars_of` in one.
    """
    rest1, beta2, rest2, lr, scale, eps, decay = numbers
    piece = slice(first * PIECE, last * PIECE)
    param = param[piece]
    grad = grad[piece]
    mean = mean[piece]
    square = square[piece]
    for i in range(len(param)):
        g = grad[i]
        w = param[i]
        # m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2
        m = mean[i] + rest1 * (g - mean[i])
        v = beta2 * square[i] + rest2 * g * g
        mean[i] = m
        square[i] = v
        update = lr * m / (np.sqrt(v) * scale + eps)
        # the indicator [u w >= 0] by signs, because the product may underflow to zero
        away = ((w < 0) & (update > 0)) | ((w > 0) & (update < 0))
        param[i] = (w if away else w * decay) - update
