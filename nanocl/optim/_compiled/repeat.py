"""Repeats a group's step with new gradients and numbers, without looking everything up again.

After a backward pass few of a parameter's Python objects are in the processor's caches. Going
through them takes longer than the loop over a parameter of some ten thousand entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from nanocl.optim._compiled.adamw import arguments
from nanocl.optim._compiled.arrays import fits
from nanocl.optim._compiled.loops_adamw import HEAD, adamw_all, adamw_selected
from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import adam_step
from nanocl.optim._threads import Work, table_of
from nanocl.optim._unchanged import States, Unchanged, is_repeatable

# columns of the table
PARAM = HEAD
GRAD = HEAD + 1
SINCE = HEAD + 12


class RepeatedStep:
    """One call that stepped a group's parameters, and what must not change before it is repeated.

    Attributes:
        selected: Whether selected entries are stepped; otherwise all are.
    """

    def __init__(
        self,
        params: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
        works: Sequence[Work],
    ) -> None:
        self.selected = works[0].loop is adamw_selected
        self._loop = works[0].loop
        self._cost = sum(work.cost for work in works)
        self._table = table_of(works)
        self._states = states
        self._unchanged = Unchanged(params, states)
        # the step at which the ages of each parameter were stored
        self._begun = np.array([state["step"] - adam_step(state, group).since for state in states])

    @classmethod
    def of(
        cls,
        params: list[Tensor],
        states: States,
        group: dict[str, Any],
        works: Sequence[Work],
    ) -> RepeatedStep | None:
        """The step that did `works`, to repeat it; None unless they were one call."""
        calls = {(id(work.loop), id(work.args)) for work in works}
        if (
            len(works) != len(params)
            or len(calls) != 1
            or works[0].loop not in (adamw_selected, adamw_all)
        ):
            return None
        mine = [states[param] for param in params]
        return cls(params, mine, group, works) if is_repeatable(mine, group) else None

    @property
    def steps(self) -> set[int]:
        """The step counts of the parameters."""
        return {state["step"] for state in self._states}

    def again(
        self,
        params: Sequence[Tensor],
        states: States,
        group: dict[str, Any],
    ) -> list[Work] | None:
        """Count one more step and return its loops; None, without counting, if anything changed.

        The options of the group are those of the step before, except for scheduled numbers.
        """
        if not self._unchanged.holds(params, states, fits):
            return None
        for state in self._states:
            state["step"] += 1
        self._table[:, PARAM] = [param.data_ptr() for param in params]
        self._table[:, GRAD] = [gradient_of(param).data_ptr() for param in params]
        if self.selected:
            self._table[:, SINCE] = [state["step"] for state in self._states] - self._begun
        first = self._states[0]
        args = arguments(params[0].dtype, first, adam_step(first, group))
        return [Work(self._loop, (self._table, *args), self._cost, self._cost)]
