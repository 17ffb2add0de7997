"""What an optimizer with a compact state needs beside torch's `Optimizer`."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from itertools import chain, count
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from nanocl.optim._backend import Steady
from nanocl.optim._plain.rounding import stream_key
from nanocl.optim._threads import Work, run


class CompactOptimizer(Optimizer):
    """One method per parameter, options checked in every group, and a state that loads in its own dtypes.

    A subclass gives `check_options`, `update` and `bytes_of`. It keeps all it knows about a
    parameter in `self.state[param]` and starts afresh where that is empty: a parameter may come
    late, grow, or lose its state at any time.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.check_options(defaults)
        self._steady: dict[int, Steady] = {}  # by the number of the group
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._steady = {}

    @staticmethod
    @abstractmethod
    def check_options(options: dict[str, Any]) -> None:
        """Raise ValueError if an option of a group is out of its range."""

    @abstractmethod
    def update(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        """One step of one parameter that has a gradient, under `torch.no_grad`; `param.grad` stays as it is.

        Returns:
            Loops that are left to run, at once for many parameters.
        """

    def work_on(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        """See `update`; refuses a parameter that has not the size of its state: a loop would write beyond an end.

        Raises:
            RuntimeError: The parameter was resized in place, or the state that was loaded is that
                of another model.
        """
        state, numel = self.state[param], param.numel()
        if param.grad.numel() != numel:
            raise RuntimeError(
                f"{type(self).__name__} has a gradient of shape {tuple(param.grad.shape)} for a "
                f"parameter of shape {tuple(param.shape)}"
            )
        if state.get("numel", numel) != numel:
            raise RuntimeError(
                f"{type(self).__name__} has the state of a parameter of {state['numel']} entries for "
                f"one of shape {tuple(param.shape)}: empty state[param] when its size changes"
            )
        work = self.update(param, group)
        if state:
            state["numel"] = numel
        return work

    def is_due(self, step: int, group: dict[str, Any]) -> bool:
        """Whether a parameter with a selection gets a new one after so many steps."""
        return False

    def ordinal(self, seed: int) -> int:
        """Number of a parameter that begins: how many have, or the next whose random bits no other uses.

        An emptied state makes room for a number that is in use, where heads come and go.
        """
        keys = {state.get("key") for state in self.state.values()}
        return next(
            number for number in count(len(self.state)) if stream_key(seed, number) not in keys
        )

    @staticmethod
    @abstractmethod
    def bytes_of(param: Tensor, group: dict[str, Any]) -> int:
        """Bytes of the state tensors of one parameter after its first step."""

    def state_bytes(self) -> int:
        """Bytes of all state tensors once every parameter has had a step; parameters may lie on the meta device."""
        return sum(
            self.bytes_of(param, group) for group in self.param_groups for param in group["params"]
        )

    def compile_ahead(self) -> None:
        """Compile what the first steps need, so that they are not timed with it; no weight and no state changes."""
        groups = []
        for group in self.param_groups:
            kinds = dict.fromkeys((param.dtype, param.device) for param in group["params"])
            spare = [
                torch.nn.Parameter(torch.zeros(8, 8, dtype=dtype, device=device))
                for dtype, device in kinds
            ]
            groups += [{**group, "params": spare}] if spare else []
        other = type(self).__new__(type(self))
        CompactOptimizer.__init__(other, groups, dict(self.defaults))
        for group in other.param_groups:
            for param in group["params"]:
                param.grad = torch.zeros_like(param)
        other.step()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; options that it leaves out take the optimizer's defaults.

        Raises:
            ValueError: An option is out of its range, or a parameter is complex.
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
            The closure's loss, None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        ready = [
            [param for param in group["params"] if param.grad is not None]
            for group in self.param_groups
        ]
        self._check(list(chain(*ready)))
        run(
            [
                work
                for number, params in enumerate(ready)
                if params
                for work in self._update_all(number, params)
            ]
        )
        return loss

    def _check(self, params: list[Tensor]) -> None:
        if any(param.grad.is_sparse for param in params):
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")
        if params and params[0].is_cuda and torch.cuda.is_current_stream_capturing():
            raise RuntimeError(
                f"{type(self).__name__} counts its steps in Python, which no CUDA graph would repeat: "
                "capture forward and backward, and call step() after each replay"
            )

    def _update_all(self, number: int, params: list[Tensor]) -> list[Work]:
        """One step of the parameters of a group that have a gradient."""
        group, steady = self.param_groups[number], self._steady.pop(number, None)
        due = (
            steady is not None
            and steady.selected
            and any(self.is_due(step, group) for step in steady.steps)
        )
        works = None if steady is None or due else steady.again(params, self.state, group)
        if works is None:
            del steady  # it keeps arrays that may now be replaced
            works = [work for param in params for work in self.work_on(param, group)]
            steady = Steady.of(params, self.state, group, works) if Steady is not None else None
        if steady is not None:
            self._steady[number] = steady
        return works

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state, every tensor in the dtype it was saved in.

        torch casts each state tensor to its parameter's dtype, which would turn indices into floats
        and bfloat16 moments into float32; so the tensors are put back as they were saved before any
        post hook runs.
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
                self.state[param] = {
                    key: value.to(param.device, copy=True)
                    if isinstance(value, Tensor)
                    else copy.deepcopy(value)
                    for key, value in saved["state"][number].items()
                }
