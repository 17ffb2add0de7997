"""Steps each parameter in the backward pass, so that gradients never all exist at once."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from nanocl.optim._base import CompactOptimizer
from nanocl.optim._gradients import check_plain
from nanocl.optim._shards import local
from nanocl.optim._threads import run


class StepInBackward:
    """Makes `loss.backward()` take the step of an optimizer of this package, by parameter.

    Schedulers, groups, `state_dict` and checkpoints of the optimizer work as before. Its `step`
    finds no gradients and does nothing, so a training loop may keep the call. Anything that needs
    all gradients at once does not work: clipping by the global norm, a gradient scaler, several
    backward passes for one step.

    Parameters that are added later, or frozen now and trained later, are stepped by
    `optimizer.step()` as usual.

    Raises:
        TypeError: The optimizer is not one of this package.
        RuntimeError: In the backward pass, if a gradient is sparse.

    Source: Lv et al., "Full Parameter Fine-tuning for Large Language Models with Limited
        Resources", 2023, arXiv:2306.09782 (there for SGD), with
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
        """Remove the hooks; `optimizer.step()` takes the steps again."""
        for hook in self._hooks:
            hook.remove()

    @torch.no_grad()
    def _step(self, group: int, param: Tensor) -> None:
        if param.grad is None:  # another hook has used it
            return
        check_plain(local(param), type(self.optimizer).__name__)
        # LOMO's fused update: the gradient is freed before the next one is computed
        self.optimizer.settle(group)
        run(self.optimizer.work_on(param, self.optimizer.param_groups[group]))
        param.grad = None
