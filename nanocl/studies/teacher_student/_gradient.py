"""Gradients of a two-layer network on the mean squared error, compiled.

A network is f(x) = sum_i head[i] max(0, weights[i] . x).
"""

from __future__ import annotations

import numpy as np
from numba import njit

# sums may be vectorised; NaN and infinity keep their meaning
_SUMS = {"reassoc", "contract", "nsz"}


@njit(nogil=True, cache=True, fastmath=_SUMS)
def slopes(
    weights: np.ndarray,
    head: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    hidden: np.ndarray,
    residual: np.ndarray,
    slope_weights: np.ndarray,
    slope_head: np.ndarray,
) -> float:
    """Gradients of the mean squared error; returns the error."""
    n, d = weights.shape
    count = inputs.shape[1]
    zero = residual.dtype.type(0)
    # residual = f(x) - y
    for s in range(count):
        residual[s] = -targets[s]
    _forward(weights, head, inputs, hidden, residual)
    loss = zero
    for s in range(count):
        loss += residual[s] * residual[s]
    # d/df of the mean of (f - y)^2 is 2 (f - y) / N
    each = residual.dtype.type(2) / residual.dtype.type(count)
    _backward(inputs, hidden, residual, slope_weights)
    for i in range(n):
        slope_head[i] = zero
        # max(0, w . x) = w . (its gradient in w), so the head's gradient needs no further pass
        for k in range(d):
            slope_weights[i, k] *= each
            slope_head[i] += weights[i, k] * slope_weights[i, k]
            slope_weights[i, k] *= head[i]
    return loss / residual.dtype.type(count)


@njit(nogil=True, cache=True, fastmath=_SUMS)
def _forward(
    weights: np.ndarray,
    head: np.ndarray,
    inputs: np.ndarray,
    hidden: np.ndarray,
    residual: np.ndarray,
) -> None:
    """Write w . x of each neuron into `hidden` and add their outputs to `residual`.

    Two inputs in each pass halve the memory traffic.
    """
    n, d = weights.shape
    count = inputs.shape[1]
    zero = residual.dtype.type(0)
    for i in range(n):
        row = hidden[i]
        a = head[i]
        if d == 2:  # the paper's networks: one pass, without a loop over inputs
            v = weights[i, 0]
            u = weights[i, 1]
            x = inputs[0]
            y = inputs[1]
            for s in range(count):
                z = v * x[s] + u * y[s]
                row[s] = z
                residual[s] += a * max(z, zero)
            continue
        # an odd dimension starts with one input, all others come in pairs
        v = weights[i, 0] if d % 2 else zero
        x = inputs[0]
        for s in range(count):
            row[s] = v * x[s]
        for k in range(d % 2, d, 2):
            v = weights[i, k]
            u = weights[i, k + 1]
            x = inputs[k]
            y = inputs[k + 1]
            for s in range(count):
                row[s] += v * x[s] + u * y[s]
        for s in range(count):
            residual[s] += a * max(row[s], zero)


@njit(nogil=True, cache=True, fastmath=_SUMS)
def _backward(
    inputs: np.ndarray,
    hidden: np.ndarray,
    residual: np.ndarray,
    slopes: np.ndarray,
) -> None:
    """For each neuron the sum of residual x over the samples where it is active.

    Overwrites `hidden`.
    """
    n, d = slopes.shape
    count = inputs.shape[1]
    zero = residual.dtype.type(0)
    for i in range(n):
        row = hidden[i]
        if d == 2:  # as in `_forward`
            x = inputs[0]
            y = inputs[1]
            first = zero
            second = zero
            for s in range(count):
                active = residual[s] if row[s] > zero else zero
                first += active * x[s]
                second += active * y[s]
            slopes[i, 0], slopes[i, 1] = first, second
            continue
        # the gradient of max(0, z) is 1 where z > 0
        for s in range(count):
            row[s] = residual[s] if row[s] > zero else zero
        if d % 2:
            x = inputs[0]
            first = zero
            for s in range(count):
                first += row[s] * x[s]
            slopes[i, 0] = first
        for k in range(d % 2, d, 2):
            x = inputs[k]
            y = inputs[k + 1]
            first = zero
            second = zero
            for s in range(count):
                first += row[s] * x[s]
                second += row[s] * y[s]
            slopes[i, k], slopes[i, k + 1] = first, second
