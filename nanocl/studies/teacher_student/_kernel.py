"""Training of one two-layer network, compiled: the hot loop of the study.

A network is f(x) = sum_i head[i] max(0, weights[i] . x). One call trains one network on its own
arrays and releases the interpreter lock: many networks train side by side in threads, and none can
change a bit of another's numbers. Batched tensor operations lose here: 500 samples, 20 neurons and
2 inputs fit the first-level cache, so one step takes about 2 us this way and 50 us as a batch of
`torch.bmm` on the same core, which goes through memory once for each operation.
"""

from __future__ import annotations

import numpy as np
from numba import njit

ALL, FIXED, SMALL, LARGE, GRADIENT, RANDOM, NEURON = range(7)
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
_SUMS = {
    "reassoc",
    "contract",
    "nsz",
}  # sums may be vectorised; NaN and infinity keep their meaning
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@njit(nogil=True, cache=True)
def train(
    weights,
    head,
    inputs,
    targets,
    select,
    quota_weights,
    quota_head,
    quota_neurons,
    interval,
    key,
    sizes,
    chosen_weights,
    chosen_head,
    lr,
    scale,
    root,
    steps,
    threshold,
):
    """Full-batch training in place on the mean squared error.

    Args:
        weights: Shape (n, d). head: Shape (n,). inputs: Shape (d, N). targets: Shape (N,). All of
            one float dtype.
        select: Which entries are trained: one of the constants above.
        quota_weights, quota_head: Entries trained of each layer; n for the head trains all of it.
        quota_neurons: Neurons trained with NEURON.
        interval: Steps from one selection to the next; 0 selects once, before the first step.
        key: Of the random selection.
        sizes: Factor of a neuron's size with NEURON, shape (n,); empty takes |head| as it is at the
            selection.
        chosen_weights, chosen_head: What is trained, bool; read with FIXED, else overwritten.
        lr: Learning rate of gradient descent.
        scale, root: For Adam, by age: the learning rate over the bias of the mean, the root of the
            bias of the square; empty for gradient descent. An entry that leaves the selection loses
            its moments and its age.
        steps: Updates.
        threshold: A training loss.

    Returns:
        First number of updates after which the training loss was at most `threshold`, -1 for never;
        whether all losses were finite (training stops at the first that is not).
    """
    n, d = weights.shape
    hidden, residual = (
        np.empty((n, inputs.shape[1]), weights.dtype),
        np.empty(inputs.shape[1], weights.dtype),
    )
    slope_weights, slope_head = np.empty_like(weights), np.empty_like(head)
    moments, ages = np.empty((2, n, d + 1), weights.dtype), np.zeros((n, d + 1), np.int64)
    reached = -1
    for step in range(steps):
        loss = _slopes(weights, head, inputs, targets, hidden, residual, slope_weights, slope_head)
        if reached < 0 and loss <= threshold:
            reached = step
        if not np.isfinite(loss):
            return reached, False
        if select != FIXED and (step == 0 or (interval > 0 and step % interval == 0)):
            _choose(
                weights,
                head,
                slope_weights,
                slope_head,
                select,
                quota_weights,
                quota_head,
                quota_neurons,
                sizes,
                _mixed(_mixed(key) + np.uint64(step)),
                chosen_weights,
                chosen_head,
            )
        _update(
            weights,
            head,
            slope_weights,
            slope_head,
            chosen_weights,
            chosen_head,
            lr,
            scale,
            root,
            moments,
            ages,
        )
    return reached, True


@njit(nogil=True, cache=True)
def _update(
    weights,
    head,
    slope_weights,
    slope_head,
    chosen_weights,
    chosen_head,
    lr,
    scale,
    root,
    moments,
    ages,
):
    """One step of the chosen entries; the head is the column d of `moments` and `ages`."""
    n, d = weights.shape
    for i in range(n):
        for k in range(d + 1):
            if not (chosen_head[i] if k == d else chosen_weights[i, k]):
                ages[i, k] = 0
                continue
            change = slope_head[i] if k == d else slope_weights[i, k]
            if scale.size:
                age = ages[i, k]
                mean, square = (moments[0, i, k], moments[1, i, k]) if age else (0.0, 0.0)
                moments[0, i, k] = BETA1 * mean + (1 - BETA1) * change
                moments[1, i, k] = BETA2 * square + (1 - BETA2) * change * change
                change = (
                    scale[age] * moments[0, i, k] / (np.sqrt(moments[1, i, k]) / root[age] + EPS)
                )
                ages[i, k] = age + 1
            else:
                change *= lr
            if k == d:
                head[i] -= change
            else:
                weights[i, k] -= change


@njit(nogil=True, cache=True, fastmath=_SUMS)
def _slopes(weights, head, inputs, targets, hidden, residual, slope_weights, slope_head):
    """Gradients of the mean squared error; returns the error."""
    n, d = weights.shape
    count = inputs.shape[1]
    zero = residual.dtype.type(0)
    for s in range(count):
        residual[s] = -targets[s]
    _forward(weights, head, inputs, hidden, residual)
    loss = zero
    for s in range(count):
        loss += residual[s] * residual[s]
    each = residual.dtype.type(2) / residual.dtype.type(count)
    _backward(inputs, hidden, residual, slope_weights)
    for i in range(n):
        slope_head[i] = zero
        for k in range(
            d
        ):  # max(0, w . x) is w . (its own slope in w), so the head's slope needs no further pass
            slope_weights[i, k] *= each
            slope_head[i] += weights[i, k] * slope_weights[i, k]
            slope_weights[i, k] *= head[i]
    return loss / residual.dtype.type(count)


@njit(nogil=True, cache=True, fastmath=_SUMS)
def _forward(weights, head, inputs, hidden, residual):
    """w . x of each neuron into `hidden`, their answers added to `residual`; two inputs a pass halve the traffic."""
    n, d = weights.shape
    count = inputs.shape[1]
    zero = residual.dtype.type(0)
    for i in range(n):
        row, a = hidden[i], head[i]
        if d == 2:
            v, u, x, y = weights[i, 0], weights[i, 1], inputs[0], inputs[1]
            for s in range(count):
                z = v * x[s] + u * y[s]
                row[s] = z
                residual[s] += a * max(z, zero)
            continue
        v, x = weights[i, 0] if d % 2 else zero, inputs[0]
        for s in range(count):
            row[s] = v * x[s]
        for k in range(d % 2, d, 2):
            v, u, x, y = weights[i, k], weights[i, k + 1], inputs[k], inputs[k + 1]
            for s in range(count):
                row[s] += v * x[s] + u * y[s]
        for s in range(count):
            residual[s] += a * max(row[s], zero)


@njit(nogil=True, cache=True, fastmath=_SUMS)
def _backward(inputs, hidden, residual, slopes):
    """The sum of residual x over the inputs where a neuron is active, for each neuron; overwrites `hidden`."""
    n, d = slopes.shape
    count = inputs.shape[1]
    zero = residual.dtype.type(0)
    for i in range(n):
        row = hidden[i]
        if d == 2:
            x, y, first, second = inputs[0], inputs[1], zero, zero
            for s in range(count):
                active = residual[s] if row[s] > zero else zero
                first += active * x[s]
                second += active * y[s]
            slopes[i, 0], slopes[i, 1] = first, second
            continue
        for s in range(count):
            row[s] = residual[s] if row[s] > zero else zero
        if d % 2:
            x, first = inputs[0], zero
            for s in range(count):
                first += row[s] * x[s]
            slopes[i, 0] = first
        for k in range(d % 2, d, 2):
            x, y, first, second = inputs[k], inputs[k + 1], zero, zero
            for s in range(count):
                first += row[s] * x[s]
                second += row[s] * y[s]
            slopes[i, k], slopes[i, k + 1] = first, second


@njit(nogil=True, cache=True)
def _choose(
    weights,
    head,
    slope_weights,
    slope_head,
    select,
    quota_weights,
    quota_head,
    quota_neurons,
    sizes,
    key,
    chosen_weights,
    chosen_head,
):
    """Mark the entries to train. Plain loops: each call of numpy's would take a second to compile."""
    n, d = weights.shape
    if select == NEURON:
        keys = np.empty(n, np.float64)
        for i in range(n):
            square = 0.0
            for k in range(d):
                square += weights[i, k] ** 2
            keys[i] = np.sqrt(square) * (abs(head[i]) if sizes.size == 0 else sizes[i])
        limit, ties = _limit(keys, quota_neurons)
        for i in range(n):
            chosen, ties = _is_low(keys[i], limit, ties)
            for k in range(d):
                chosen_weights[i, k] = chosen
            chosen_head[i] = chosen or quota_head == n
        return
    keys = np.empty(n * d, np.float64)
    for i in range(n):
        for k in range(d):
            keys[i * d + k] = _key(weights[i, k], slope_weights[i, k], select, key, i * d + k)
    limit, ties = _limit(keys, quota_weights)
    for i in range(n):
        for k in range(d):
            chosen_weights[i, k], ties = _is_low(keys[i * d + k], limit, ties)
    for i in range(n):
        keys[i] = _key(head[i], slope_head[i], select, key, n * d + i)
    limit, ties = _limit(keys[:n], quota_head)
    for i in range(n):
        chosen_head[i], ties = _is_low(keys[i], limit, ties)


@njit(nogil=True, cache=True)
def _key(value, slope, select, key, place):
    """A number; the entries with the lowest are chosen."""
    if select == SMALL:
        return float(abs(value))
    if select == LARGE:
        return -float(abs(value))
    if select == GRADIENT:
        return -float(abs(slope))
    if select == RANDOM:
        return float(_mixed(key + np.uint64(place) * _GOLDEN) >> np.uint64(11))
    return 0.0


@njit(nogil=True, cache=True)
def _mixed(bits):
    """Scrambled bits: SplitMix64 (Steele, Lea and Flood, 2014, doi:10.1145/2660193.2660195)."""
    bits += _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(nogil=True, cache=True)
def _limit(keys, count):
    """The `count`-th lowest key, and how many of the keys equal to it belong to the `count` lowest."""
    if count <= 0:
        return -np.inf, 0
    lowest = np.empty(count, np.float64)
    held = 0
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
def _is_low(key, limit, ties):
    """Whether a key is chosen, and the equal ones that may follow it: the first ones go first."""
    if key == limit and ties > 0:
        return True, ties - 1
    return key < limit, ties


@njit(nogil=True, cache=True)
def flow(v, inputs, targets, rate, steps, threshold):
    """Descent of one neuron max(0, v . x) in place on the mean squared error; all float64, shapes as in `train`.

    Returns:
        First number of updates after which the error was at most `threshold`, -1 for never.
    """
    weights, head, slope, unused = (
        v.reshape(1, v.size),
        np.ones(1),
        np.empty((1, v.size)),
        np.empty(1),
    )
    hidden, residual = np.empty((1, inputs.shape[1])), np.empty(inputs.shape[1])
    reached = -1
    for step in range(steps):
        loss = _slopes(weights, head, inputs, targets, hidden, residual, slope, unused)
        if reached < 0 and loss <= threshold:
            reached = step
        for k in range(v.size):
            v[k] -= rate * slope[0, k]
    return reached
