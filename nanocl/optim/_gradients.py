"""The gradient of a parameter that is about to be updated."""

from __future__ import annotations

from torch import Tensor


def gradient_of(param: Tensor) -> Tensor:
    """The parameter's gradient; the optimizers update only parameters that have one.

    Raises:
        RuntimeError: The parameter has no gradient.
    """
    gradient = param.grad
    if gradient is None:
        raise RuntimeError(
            f"a parameter of shape {tuple(param.shape)} has no gradient to step with"
        )
    return gradient
