"""Step each parameter as soon as its gradient is ready, and free the gradient: never are all gradients held at once."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from nanocl.optim._base import CompactOptimizer
from nanocl.optim._threads import run


class StepInBackward:
    """Make `loss.backward()` do the step of an optimizer of this package, parameter by parameter.

    The optimizer stays what it is: schedulers, groups, `state_dict` and checkpoints work on it as
    before, and a call of its `step` finds no gradient and does nothing, so a training loop need not
    be changed. What needs all gradients at once does not work: clipping by the global norm, a
    gradient scaler, several backward passes for one step.

    Parameters that the optimizer is given later, or that are frozen now and trained later, are not
    stepped in the backward pass, but by `optimizer.step()`.

    Raises:
        TypeError: The optimizer is not one of this package.
        RuntimeError: In the backward pass, if a gradient is sparse.

    Source: Lv et al., "Full Parameter Fine-tuning for Large Language Models with Limited
        Resources", 2023, arXiv:2306.09782 (there for SGD), by
        `torch.Tensor.register_post_accumulate_grad_hook`.
    """

    def __init__(self, optimizer: CompactOptimizer) -> None:
        if not isinstance(optimizer, CompactOptimizer):
            raise TypeError(
                f"optimizer must be one of nanocl.optim, got {type(optimizer).__name__}"
            )
        self.optimizer = optimizer
        self._hooks = [
            param.register_post_accumulate_grad_hook(partial(self._step, number))
            for number, group in enumerate(optimizer.param_groups)
            for param in group["params"]
            if param.requires_grad
        ]

    def remove(self) -> None:
        """Leave the gradients to `optimizer.step()` again."""
        for hook in self._hooks:
            hook.remove()

    @torch.no_grad()
    def _step(self, group: int, param: Tensor) -> None:
        if param.grad is None:  # another hook has used it
            return
        if param.grad.is_sparse:
            raise RuntimeError(f"{type(self.optimizer).__name__} does not support sparse gradients")
        run(self.optimizer.work_on(param, self.optimizer.param_groups[group]))
        param.grad = None
