"""Arguments of the compiled steps that keep moments of every entry, in the parameter's type."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanocl.optim._compiled.arrays import arithmetic_type, array
from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import AdamStep


def has_one_type(param: Tensor, state: dict[str, Any]) -> bool:
    """Whether parameter and moments are both float32 or both float64."""
    kind = param.dtype
    return kind in (torch.float32, torch.float64) and state["mean"].dtype == kind


def arrays_of(param: Tensor, state: dict[str, Any]) -> list[np.ndarray]:
    """Parameter, gradient, first and second moment."""
    gradient = gradient_of(param)
    tensors = (param, gradient, state["mean"], state["square"])
    return [array(tensor) for tensor in tensors]


def scalars_of(param: Tensor, step: AdamStep) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Factors of the moments, and factors of the movement, in the type of the arithmetic.

    Returns:
        1 - beta1, beta2, 1 - beta2; and lr / (1 - beta1^t), (1 - beta2^t)^(-1/2), eps, decay.
    """
    real = arithmetic_type(param.dtype)
    taking = 1 - step.beta1, step.beta2, 1 - step.beta2
    # the correction of m joins lr, that of v scales its root: one multiplication an entry
    rate = step.lr / (1 - step.beta1**step.since)
    scale = (1 - step.beta2**step.since) ** -0.5
    moving = rate, scale, step.eps, step.decay
    return tuple(map(real, taking)), tuple(map(real, moving))
