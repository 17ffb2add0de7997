"""Whether a step may be repeated without looking up a group's parameters and states anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import is_not
from typing import Any

from torch import Tensor

States = Mapping[Tensor, dict[str, Any]]
ARRAYS = ("mean", "square", "start", "offset", "age")


class Unchanged:
    """The arrays, types and sizes of the parameters that a step moved.

    Attributes:
        states: Their states.
    """

    def __init__(self, params: Sequence[Tensor], states: Sequence[dict[str, Any]]) -> None:
        self.states = states
        self._kept = [
            (state, tuple(map(state.get, ARRAYS)), param.dtype, param.numel())
            for param, state in zip(params, states, strict=True)
        ]

    def holds(
        self, params: Sequence[Tensor], states: States, fits: Callable[[Tensor], bool]
    ) -> bool:
        """Whether these parameters and states are still those, and a kernel still fits them."""
        if len(params) != len(self._kept):
            return False
        # a loop, and no call that can be spared: with few entries this takes longer than the kernel
        for param, (state, arrays, kind, numel) in zip(params, self._kept, strict=True):
            if states.get(param) is not state or param.dtype is not kind or not fits(param):
                return False
            gradient: Any = param.grad  # which fits
            if not param.numel() == gradient.numel() == numel:
                return False
            if any(map(is_not, map(state.get, ARRAYS), arrays)):
                return False
        return True


def is_repeatable(states: Sequence[dict[str, Any]], group: Mapping[str, Any]) -> bool:
    """Whether the next steps differ in scheduled numbers and counts only.

    Stochastic rounding has keys that differ by parameter and step, and decay of all entries is not
    part of the loops and kernels of the step.
    """
    rounded = any(state["mean"].itemsize < 4 for state in states)
    stochastic = group["weight_rounding"] == "stochastic"
    return not (stochastic or rounded or group["decay_scope"] == "all")
