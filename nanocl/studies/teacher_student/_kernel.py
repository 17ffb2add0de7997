"""Training of one two-layer network, compiled: the hot loop of the study.

One call trains one network on its own arrays and releases the interpreter lock. Many networks train
side by side in threads, and none can change a bit of another's numbers. Batched tensor operations
are slower here: 500 samples, 20 neurons and 2 inputs fit into the first-level cache. So one step
takes about 2 us this way, and 50 us as a batch of `torch.bmm` on the same core, which goes through
memory once for each operation.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nanocl.studies.teacher_student._gradient import slopes
from nanocl.studies.teacher_student._selection import FIXED, choose, mixed

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


@njit(nogil=True, cache=True)
def train(
    weights: np.ndarray,
    head: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    select: int,
    quota_weights: int,
    quota_head: int,
    quota_neurons: int,
    interval: int,
    key: np.uint64,
    sizes: np.ndarray,
    chosen_weights: np.ndarray,
    chosen_head: np.ndarray,
    lr: float,
    scale: np.ndarray,
    root: np.ndarray,
    steps: int,
    threshold: float,
) -> tuple[int, bool]:
    """Full-batch training in place on the mean squared error.

    Args:
        weights: Shape (n, d). head: Shape (n,). inputs: Shape (d, N). targets: Shape (N,). All of
            one float dtype.
        select: The rule that selects the trained entries, one of the constants of `_selection`.
        quota_weights, quota_head: Trained entries of each layer; n for the head trains all of it.
        quota_neurons: Neurons trained with NEURON.
        interval: Steps from one selection to the next; 0 selects once, before the first step.
        key: Seed of the random selection.
        sizes: Factor of a neuron's size with NEURON, shape (n,); empty takes |head| as it is at the
            selection.
        chosen_weights, chosen_head: The trained entries, bool; read with FIXED, else overwritten.
        lr: Learning rate of gradient descent.
        scale, root: For Adam, by age: the learning rate over the bias of the mean, the root of the
            bias of the square; empty for gradient descent. An entry that leaves the selection loses
            its moments and its age.
        steps: Updates.
        threshold: The training loss that counts as learned.

    Returns:
        First number of updates after which the training loss was at most `threshold`, -1 for never;
        whether all losses were finite (training stops at the first that is not).
    """
    n, d = weights.shape
    # scratch memory, allocated once: a step of a small network costs less than an allocation
    hidden = np.empty((n, inputs.shape[1]), weights.dtype)
    residual = np.empty(inputs.shape[1], weights.dtype)
    slope_weights, slope_head = np.empty_like(weights), np.empty_like(head)
    moments, ages = np.empty((2, n, d + 1), weights.dtype), np.zeros((n, d + 1), np.int64)
    reached = -1
    for step in range(steps):
        loss = slopes(weights, head, inputs, targets, hidden, residual, slope_weights, slope_head)
        if reached < 0 and loss <= threshold:
            reached = step
        if not np.isfinite(loss):
            return reached, False
        if select != FIXED and (step == 0 or (interval > 0 and step % interval == 0)):
            # a new selection, also at step 0
            choose(
                weights,
                head,
                slope_weights,
                slope_head,
                select,
                quota_weights,
                quota_head,
                quota_neurons,
                sizes,
                mixed(mixed(key) + np.uint64(step)),
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
    weights: np.ndarray,
    head: np.ndarray,
    slope_weights: np.ndarray,
    slope_head: np.ndarray,
    chosen_weights: np.ndarray,
    chosen_head: np.ndarray,
    lr: float,
    scale: np.ndarray,
    root: np.ndarray,
    moments: np.ndarray,
    ages: np.ndarray,
) -> None:
    """One step of the chosen entries; the head is the column d of `moments` and `ages`."""
    n, d = weights.shape
    for i in range(n):
        for k in range(d + 1):
            if not (chosen_head[i] if k == d else chosen_weights[i, k]):
                ages[i, k] = 0  # the moments are forgotten: Adam restarts when it is chosen again
                continue
            change = slope_head[i] if k == d else slope_weights[i, k]
            if scale.size:
                # Adam (Kingma and Ba, 2015, Algorithm 1); `scale` and `root` correct the bias
                age = ages[i, k]
                mean, square = (moments[0, i, k], moments[1, i, k]) if age else (0.0, 0.0)
                moments[0, i, k] = BETA1 * mean + (1 - BETA1) * change
                moments[1, i, k] = BETA2 * square + (1 - BETA2) * change * change
                change = (
                    scale[age] * moments[0, i, k] / (np.sqrt(moments[1, i, k]) / root[age] + EPS)
                )
                ages[i, k] = age + 1
            else:
                change *= lr  # gradient descent
            if k == d:
                head[i] -= change
            else:
                weights[i, k] -= change


@njit(nogil=True, cache=True)
def flow(
    v: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    rate: float,
    steps: int,
    threshold: float,
) -> int:
    """Gradient descent of one neuron max(0, v . x) in place on the mean squared error.

    All float64, shapes as in `train`.

    Returns:
        First number of updates after which the error was at most `threshold`, -1 for never.
    """
    # a network of one neuron with a fixed head of 1
    weights, head = v.reshape(1, v.size), np.ones(1)
    slope, unused = np.empty((1, v.size)), np.empty(1)
    hidden, residual = np.empty((1, inputs.shape[1])), np.empty(inputs.shape[1])
    reached = -1
    for step in range(steps):
        loss = slopes(weights, head, inputs, targets, hidden, residual, slope, unused)
        if reached < 0 and loss <= threshold:
            reached = step
        for k in range(v.size):
            v[k] -= rate * slope[0, k]
    return reached
