"""A step that does what the one before did, with other gradients and numbers, for less than looking all up again.

After a backward pass little of a parameter's objects is in the processor's caches, and to go
through them takes longer than the loop for a parameter of some ten thousand entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_not
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanocl.optim._compiled.adamw import arguments, fits
from nanocl.optim._compiled.loops_adamw import HEAD, adamw_all, adamw_selected
from nanocl.optim._plain.adamw import numbers
from nanocl.optim._threads import Work, table_of

ARRAYS = ("mean", "square", "start", "offset", "age")
OPTIONS = (
    "fused",
    "density",
    "moment_policy",
    "decay_scope",
    "weight_rounding",
)  # that a step depends on
PARAM, GRAD, SINCE = HEAD, HEAD + 1, HEAD + 12  # columns


class Steady:
    """Parameters of a group that were all stepped by one call, and what must stay for the next call to be the same.

    Attributes:
        selected: Whether it is selected entries that are stepped; else all.
    """

    def __init__(
        self,
        params: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
        works: Sequence[Work],
    ) -> None:
        self.selected = works[0].loop is adamw_selected
        self._loop, self._cost = works[0].loop, sum(work.cost for work in works)
        self._table = table_of(works)
        self._states = states
        self._kept = [
            (state, tuple(map(state.get, ARRAYS)), param.dtype, param.numel())
            for param, state in zip(params, states, strict=True)
        ]
        self._options = tuple(map(group.get, OPTIONS))
        self._begun = np.array([state["step"] - numbers(state, group).since for state in states])

    @classmethod
    def of(
        cls,
        params: list[Tensor],
        states: Mapping[Tensor, dict[str, Any]],
        group: dict[str, Any],
        works: Sequence[Work],
    ) -> Steady | None:
        """What will do for the works of a step again, None unless they are one call.

        Also None with random bits, whose keys are others for each parameter and step, and with
        decay of all entries, which is no part of the loops.
        """
        calls = {(id(work.loop), id(work.args)) for work in works}
        if (
            len(works) != len(params)
            or len(calls) != 1
            or works[0].loop not in (adamw_selected, adamw_all)
            or group["decay_scope"] == "all"
        ):
            return None
        mine = [states[param] for param in params]
        rounded = (
            group["weight_rounding"] == "stochastic" or mine[0]["mean"].dtype == torch.bfloat16
        )
        return None if rounded else cls(params, mine, group, works)

    @property
    def steps(self) -> set[int]:
        """That the parameters have had."""
        return {state["step"] for state in self._states}

    def again(
        self,
        params: Sequence[Tensor],
        states: Mapping[Tensor, dict[str, Any]],
        group: dict[str, Any],
    ) -> list[Work] | None:
        """Count one more step and give its work; None, and nothing counted, if anything is not what it was."""
        if not self._holds(params, states, group):
            return None
        for state in self._states:
            state["step"] += 1
        self._table[:, PARAM] = [param.data_ptr() for param in params]
        self._table[:, GRAD] = [param.grad.data_ptr() for param in params]
        if self.selected:
            self._table[:, SINCE] = [state["step"] for state in self._states] - self._begun
        args = arguments(params[0].dtype, self._states[0], numbers(self._states[0], group))
        return [Work(self._loop, (self._table, *args), self._cost, self._cost)]

    def _holds(
        self,
        params: Sequence[Tensor],
        states: Mapping[Tensor, dict[str, Any]],
        group: dict[str, Any],
    ) -> bool:
        return (
            len(params) == len(self._states)
            and tuple(map(group.get, OPTIONS)) == self._options
            and all(
                states.get(param) is state
                and fits(param)
                and param.dtype == kind
                and param.numel() == param.grad.numel() == numel
                and not any(map(is_not, map(state.get, ARRAYS), arrays))
                for param, (state, arrays, kind, numel) in zip(params, self._kept, strict=True)
            )
        )
