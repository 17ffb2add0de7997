"""Training of one network from plain arrays; the loops are in `_kernel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nanocl.optim._plain.selection import quota
from nanocl.studies.teacher_student import _kernel, _selection

DTYPE = np.float32  # as in an ordinary run


class TwoLayers(NamedTuple):
    """A student: `weights` of shape (hidden, dimension) and `head` of shape (hidden,)."""

    weights: np.ndarray
    head: np.ndarray


def fit(
    network: TwoLayers,
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    lr: float,
    steps: int,
    select: int = _selection.ALL,
    share: float = 1.0,
    interval: int = 0,
    adam: bool = False,
    dense_head: bool = False,
    sizes: np.ndarray | None = None,
    neurons: Sequence[int] = (),
    key: int = 0,
    threshold: float = -1.0,
) -> tuple[TwoLayers, int | None, bool]:
    """Train a copy of a network; see `_kernel.train`.

    Args:
        network: Where training starts.
        inputs: Shape (N, d).
        targets: Shape (N,).
        dense_head: Train the whole head, whatever is selected.
        sizes: Factors of the sizes of the neurons, shape (hidden,), for NEURON; None takes |head|.
        neurons: For FIXED, the neurons whose weights are trained, without their heads.

    Returns:
        As `finetune`.
    """
    weights, head = (np.array(part, DTYPE, order="C") for part in network)
    hidden, dimension = weights.shape
    chosen = np.zeros(weights.shape, bool), np.zeros(hidden, bool)
    chosen[0][list(neurons)] = True
    reached, finite = _kernel.train(
        weights,
        head,
        np.ascontiguousarray(inputs.T, DTYPE),
        targets.astype(DTYPE),
        select,
        quota(hidden * dimension, share),
        hidden if dense_head else quota(hidden, share),
        quota(hidden, share),
        interval,
        np.uint64(key),
        np.empty(0) if sizes is None else np.array(sizes, np.float64),
        *chosen,
        float(lr),
        *_corrections(lr, steps if adam else 0),
        steps,
        float(threshold),
    )
    return TwoLayers(weights, head), reached if reached >= 0 else None, finite


def _corrections(lr: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Adam's bias corrections by age, from 0: lr / (1 - beta1^t) and sqrt(1 - beta2^t)."""
    age = np.arange(1, steps + 1)
    return lr / (1 - _kernel.BETA1**age), np.sqrt(1 - _kernel.BETA2**age)
