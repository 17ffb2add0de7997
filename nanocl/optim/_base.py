"""The base class of the optimizers with compact state."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping
from itertools import chain, count
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from nanocl.optim._backend import repeated_step
from nanocl.optim._gradients import check_plain, gradient_of
from nanocl.optim._plain.rounding import stream_key
from nanocl.optim._threads import Work, run

if TYPE_CHECKING:
    from nanocl.optim._compiled.repeat import RepeatedStep


class CompactOptimizer(Optimizer):
    """Updates each parameter alone, checks the options of every group, loads state unchanged.

    A subclass defines `version`, `check_options`, `update` and `bytes_of`. It keeps everything
    about a parameter in `self.state[param]` and initialises it when it is empty, because a
    parameter may be added late, grow, or lose its state at any time.
    """

    # raised when a mended formula changes numbers; it enters the digest of runs
    version: ClassVar[int]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.check_options(defaults)
        self._repeated: dict[int, RepeatedStep] = {}  # by number of the group
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._repeated = {}

    @staticmethod
    @abstractmethod
    def check_options(options: dict[str, Any]) -> None:
        """Raise ValueError if an option of a group is out of its range."""

    @abstractmethod
    def update(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        """Take one step of one parameter that has a gradient; `param.grad` stays unchanged.

        Called under `torch.no_grad`.

        Returns:
            Loops still to run; those of many parameters run together.
        """

    def work_on(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        """See `update`; checks sizes first, because a kernel would write out of bounds.

        Raises:
            RuntimeError: The gradient or the state has another size than the parameter.
        """
        state = self.state[param]
        numel = param.numel()
        name = type(self).__name__
        shape = tuple(param.shape)
        gradient = gradient_of(param)
        if gradient.numel() != numel:
            raise RuntimeError(
                f"{name} got a gradient of shape {tuple(gradient.shape)} for a parameter of shape "
                f"{shape}"
            )
        if state.get("numel", numel) != numel:
            raise RuntimeError(
                f"{name} holds a state of {state['numel']} entries for a parameter of shape "
                f"{shape}: empty state[param] when its size changes"
            )
        work = self.update(param, group)
        if state:
            state["numel"] = numel
        return work

    def is_due(self, step: int, group: dict[str, Any]) -> bool:
        """Whether a parameter with a selection needs a new one after this number of steps."""
        return False

    def ordinal(self, seed: int) -> int:
        """A number for a new parameter such that no other parameter has the same random bits.

        Usually the count of states. Where heads come and go, that number may be in use.
        """
        keys = {state.get("key") for state in self.state.values()}
        numbers = count(len(self.state))
        return next(number for number in numbers if stream_key(seed, number) not in keys)

    @staticmethod
    @abstractmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        """Bytes of the state tensors of one parameter after its first step."""

    def state_bytes(self) -> int:
        """Bytes of all state tensors after a first step; parameters may be on the meta device."""
        return sum(
            self.bytes_of(param, group) for group in self.param_groups for param in group["params"]
        )

    def compile_ahead(self) -> None:
        """Compile what the first steps need, so that timings exclude it; changes nothing else."""
        groups = []
        for group in self.param_groups:
            # one small parameter of each type and device stands in for those of the group
            kinds = dict.fromkeys((param.dtype, param.device) for param in group["params"])
            spare = [torch.nn.Parameter(torch.zeros(8, 8, dtype=t, device=d)) for t, d in kinds]
            groups += [{**group, "params": spare}] if spare else []
        other = type(self).__new__(type(self))
        CompactOptimizer.__init__(other, groups, dict(self.defaults))
        for group in other.param_groups:
            for param in group["params"]:
                param.grad = torch.zeros_like(param)
        other.step()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; options that it lacks take the optimizer's defaults.

        Raises:
            ValueError: An option is out of its range, or a parameter is not real floating-point.
        """
        self.check_options({**self.defaults, **param_group})
        super().add_param_group(param_group)
        for param in self.param_groups[-1]["params"]:
            if not param.is_floating_point():
                self.param_groups.pop()
                raise ValueError(
                    f"{type(self).__name__} takes real floating-point parameters, got {param.dtype}"
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: Evaluates the model again and returns the loss.

        Returns:
            The loss of the closure, or None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        ready = []
        for group in self.param_groups:
            ready.append([param for param in group["params"] if param.grad is not None])
        self._check(list(chain(*ready)))
        works: list[Work] = []
        for number, params in enumerate(ready):
            if params:
                works += self._update_all(number, params)
        run(works)
        return loss

    def _check(self, params: list[Tensor]) -> None:
        name = type(self).__name__
        for param in params:
            check_plain(param, name)
        if any(gradient_of(param).is_sparse for param in params):
            raise RuntimeError(f"{name} does not support sparse gradients")
        if params and params[0].is_cuda and torch.cuda.is_current_stream_capturing():
            raise RuntimeError(
                f"{name} counts its steps in Python, which a CUDA graph does not replay: capture "
                "forward and backward, and call step() after each replay"
            )

    def _update_all(self, number: int, params: list[Tensor]) -> list[Work]:
        """One step of the parameters of a group that have a gradient."""
        group = self.param_groups[number]
        repeated = self._repeated.pop(number, None)
        works = None
        if repeated is not None and not self._selects(repeated, group):
            works = repeated.again(params, self.state, group)
        if works is None:
            repeated = None  # frees its arrays before the update replaces them
            works = [work for param in params for work in self.work_on(param, group)]
            repeated = repeated_step(params, self.state, group, works)
        if repeated is not None:
            self._repeated[number] = repeated
        return works

    def _selects(self, repeated: RepeatedStep, group: dict[str, Any]) -> bool:
        """Whether the next step of some parameter begins with a new selection."""
        return repeated.selected and any(self.is_due(step, group) for step in repeated.steps)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state with every tensor in the dtype it was saved in.

        torch casts each state tensor to its parameter's dtype, which would turn indices into floats
        and bfloat16 moments into float32. So the tensors are restored as they were saved, before
        any post hook runs.
        """
        saved: dict[str, Any] = {}
        hooks = (
            self.register_load_state_dict_pre_hook(lambda _, state: saved.update(state)),
            self.register_load_state_dict_post_hook(lambda _: self._restore(saved), prepend=True),
        )
        try:
            super().load_state_dict(state_dict)
        finally:
            for hook in hooks:
                hook.remove()

    def _restore(self, saved: dict[str, Any]) -> None:
        numbers = chain.from_iterable(group["params"] for group in saved["param_groups"])
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        for number, param in zip(numbers, params, strict=True):
            if number in saved["state"]:
                entries = saved["state"][number].items()
                self.state[param] = {key: _copied(value, param.device) for key, value in entries}


def _copied(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, copy=True)
    return copy.deepcopy(value)
