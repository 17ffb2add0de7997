"""Compiled loops over all parameters of a model: quadratic penalties and SI's path integral.

PyTorch goes through memory once for each subtraction and each product; these loops go once for the
whole formula. Each row of a table is one parameter: the columns of `nanocl.optim._threads.Work`,
addresses, and the length. Roundings are those of PyTorch's operations.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nanocl.optim._compiled.floats import COMPILE, INLINE, array_at
from nanocl.optim._compiled.loops_adamw import HEAD, part

BLOCK = 8192  # entries that are computed together; threads share the blocks
LANES = 64  # independent sums: one sum would wait for each addition
SUMS = np.empty(0, np.float64)


@njit(**COMPILE)
def pulls(table, kind, scale, first, last):
    """The penalty's gradients, and its value for each block.

    Args:
        table: Addresses of parameter, centre, weight, gradient and sums.
        kind: An array of the parameters' type.
        scale: Strength of the penalty, in that type.
        first, last: The share of the work, see `Work`.
    """
    lanes = np.empty(LANES, kind.dtype)
    for i in range(len(table)):
        row = table[i, HEAD:]
        begin, end = part(table[i], first, last)
        sums = array_at(row[4], end, SUMS)
        for block in range(begin, end):
            lanes[:] = 0
            for j in range(block * BLOCK, min((block + 1) * BLOCK, row[5]), LANES):
                count = min(LANES, row[5] - j)
                param, centre, weight, pull = _four(row, j, count, kind)
                for k in range(count):
                    # F (w - w*), and its product with w - w*
                    offset = param[k] - centre[k]
                    unscaled = offset * weight[k]
                    lanes[k] += unscaled * offset
                    pull[k] = unscaled * scale
            sums[block] = lanes.sum()


@njit(**COMPILE)
def own_gradients(table, kind, scale, first, last):
    """Copies of weights, and of gradients without that of SI's penalty.

    Args:
        table: Addresses of gradient, parameter, anchor, omega, the copies of gradient and weight.
        kind, first, last: See `pulls`.
        scale: -2 c.
    """
    for i in range(len(table)):
        row = table[i, HEAD:]
        begin, end = part(table[i], first, last)
        for j in range(begin * BLOCK, min(end * BLOCK, row[6]), BLOCK):
            count = min(BLOCK, row[6] - j)
            grad, param, anchor, omega = _four(row, j, count, kind)
            gradient, weight = _two(row[4:], j, count, kind)
            for k in range(count):
                offset = param[k] - anchor[k]
                gradient[k] = grad[k] + scale * offset * omega[k]
                weight[k] = param[k]


@njit(**COMPILE)
def add_to_path(table, kind, scale, first, last):
    """Equation 3 of SI: path += gradient (weight before - weight after).

    Args:
        table: Addresses of parameter, weight before, gradient and path.
        kind, first, last: See `pulls`.
        scale: Unused, for the same call as the other loops.
    """
    for i in range(len(table)):
        row = table[i, HEAD:]
        begin, end = part(table[i], first, last)
        for j in range(begin * BLOCK, min(end * BLOCK, row[4]), BLOCK):
            count = min(BLOCK, row[4] - j)
            param, weight, gradient, path = _four(row, j, count, kind)
            for k in range(count):
                path[k] += gradient[k] * (weight[k] - param[k])


@njit(**INLINE)
def _two(row, start, count, kind):
    offset = start * kind.itemsize
    return array_at(row[0] + offset, count, kind), array_at(row[1] + offset, count, kind)


@njit(**INLINE)
def _four(row, start, count, kind):
    return *_two(row, start, count, kind), *_two(row[2:], start, count, kind)
