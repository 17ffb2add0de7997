"""Steps each parameter in the backward pass, so that gradients never all exist at once."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch.utils.weak import WeakTensorKeyDictionary

from nanocl.optim._base import CompactOptimizer
from nanocl.optim._options import check_integer
from nanocl.optim._threads import run


class StepInBackward:
    """Makes `loss.backward()` take the step of an optimizer of this package, by parameter.

    Schedulers, groups, `state_dict` and checkpoints of the optimizer work as before. A training
    loop keeps its call of `optimizer.step()` or `optimizer.zero_grad()`: it ends the step. A second
    backward pass before that raises an error, because it would be a second step. `step` also takes
    the step of parameters that still have a gradient: those added later, frozen first and trained
    later, or with a gradient in fewer than `every` passes.

    Whatever needs all gradients at once finds none: clipping by the total norm has no effect (clip
    by value in a hook of the parameter instead), and a gradient scaler raises an error.

    Args:
        every: Backward passes for one step; their gradients are added, as without this class, and
            exist until the last of them.

    Raises:
        TypeError: The optimizer is not one of this package.
        ValueError: `every` is not an integer of at least 1.
        RuntimeError: In the backward pass, if a gradient is sparse, or if a parameter has already
            been stepped.

    Source: Lv et al., "Full Parameter Fine-tuning for Large Language Models with Limited
        Resources", 2023, arXiv:2306.09782 (there for SGD), with
        `torch.Tensor.register_post_accumulate_grad_hook`.
    """

    def __init__(self, optimizer: CompactOptimizer, *, every: int = 1) -> None:
        if not isinstance(optimizer, CompactOptimizer):
            raise TypeError(
                f"optimizer must be one of nanocl.optim, got {type(optimizer).__name__}"
            )
        check_integer("every", every, 1)
        self.optimizer = optimizer
        self.every = every
        # of each parameter: the optimizer's round, and its backward passes in this round
        self._passes: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
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

    @_disable_dynamo
    @torch.no_grad()
    def _step(self, group: int, param: Tensor) -> None:
        if param.grad is None:  # another hook has used it
            return
        if self._count(param) < self.every:
            return
        options = self.optimizer.param_groups[group]
        self.optimizer.check([param], options)
        # LOMO's fused update: the gradient is freed before the next one is computed
        self.optimizer.settle(group)
        run(self.optimizer.work_on(param, options))
        param.grad = None

    def _count(self, param: Tensor) -> int:
        """Backward passes of a parameter since the last `step` or `zero_grad`, this one included.

        Raises:
            RuntimeError: There are more than make one step.
        """
        rounds, passes = self._passes.get(param, (None, 0))
        passes = passes + 1 if rounds == self.optimizer.rounds else 1
        if passes > self.every:
            raise RuntimeError(
                f"a parameter of shape {tuple(param.shape)} was stepped by the last backward pass "
                "and got another one: call optimizer.step() or zero_grad() after each step, or set "
                f"every to the backward passes of a step, got {self.every}"
            )
        self._passes[param] = self.optimizer.rounds, passes
        return passes
