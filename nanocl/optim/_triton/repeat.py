"""Repeats the step of all parameters of a group in one launch of a Triton kernel.

Launching a kernel for each parameter takes the host longer than the GPU needs for a parameter of a
million entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import adam_step
from nanocl.optim._plain.selection import CPU
from nanocl.optim._threads import Work
from nanocl.optim._triton import adamw as kernels
from nanocl.optim._triton.tensors import fits
from nanocl.optim._unchanged import ARRAYS, States, Unchanged, is_repeatable

ELEMENTS = {
    torch.float32: tl.float32,
    torch.float16: tl.float16,
    torch.bfloat16: tl.int16,  # its bits, because the kernel rounds by itself
    torch.int16: tl.int16,
    torch.int32: tl.int32,
    torch.int64: tl.int64,
}
GRAD = 1  # column of the table


class RepeatedLaunch:
    """The last step of a group, and what must not change before it is repeated.

    Attributes:
        selected: Whether selected entries are stepped; otherwise all are.
    """

    def __init__(
        self, params: Sequence[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        first = states[0]
        self.selected = "offset" in first
        self._unchanged = Unchanged(params, states)
        since = [adam_step(state, group).since for state in states]
        self._rows: list[list[int]] = []
        owner: list[int] = []
        for number, (param, state) in enumerate(zip(params, states, strict=True)):
            chunk = state["chunk"] if self.selected else kernels.DENSE_CHUNK
            arrays = [state.get(name, state["mean"]).data_ptr() for name in ARRAYS]
            counts = [param.numel(), chunk, since[number] - since[0], len(owner)]
            self._rows.append([param.data_ptr(), gradient_of(param).data_ptr(), *arrays, *counts])
            owner += [number] * -(-param.numel() // chunk)
        self._owner = torch.tensor(owner, dtype=torch.int32, device=first["mean"].device)
        self._table: Tensor | None = None
        self._options = {
            "PARAM": ELEMENTS[params[0].dtype],
            "OFFSET": ELEMENTS[first["offset"].dtype] if self.selected else tl.int16,
            "SPARSE": self.selected,
            "AGED": "age" in first,
            "PARAM_BITS": params[0].dtype == torch.bfloat16,
            "COLUMNS": len(self._rows[0]),
            "BLOCK": kernels.BLOCK,
            "PARTS": kernels.PARTS,
        }

    @classmethod
    def of(
        cls,
        params: Sequence[Tensor],
        states: States,
        group: dict[str, Any],
        works: Sequence[Work],
    ) -> RepeatedLaunch | None:
        """The step that gave `works`; None unless the kernel took it for parameters of one kind."""
        if len(works) != len(params) or any(work is not kernels.LAUNCHED for work in works):
            return None
        mine = [states[param] for param in params]
        kinds = {_kind(param, state) for param, state in zip(params, mine, strict=True)}
        if len(kinds) > 1 or not is_repeatable(mine, group):
            return None
        ages = {adam_step(state, group).since for state in mine}
        if len(ages) > 1 and "age" not in mine[0]:
            return None  # their bias corrections differ
        return cls(params, mine, group)

    @property
    def steps(self) -> set[int]:
        """The step counts of the parameters."""
        return {state["step"] for state in self._unchanged.states}

    def again(
        self,
        params: Sequence[Tensor],
        states: States,
        group: dict[str, Any],
    ) -> list[Work] | None:
        """Take one more step; None, without a step, if anything changed."""
        if not self._unchanged.holds(params, states, fits):
            return None
        for state in self._unchanged.states:
            state["step"] += 1
        table = self._filled(params)
        first = self._unchanged.states[0]
        step = adam_step(first, group)
        numbers = kernels.numbers_of(step, first["mean"], aged="age" in first)
        if len(self._owner):
            kernels._adamw_together[(len(self._owner), kernels.PARTS)](
                *(table, self._owner, *numbers.tables, *numbers.factors),
                *(step.since, numbers.oldest),
                **self._options,
            )
        return []

    def _filled(self, params: Sequence[Tensor]) -> Tensor:
        """The table on the device, copied only if an address changed."""
        changed = self._table is None
        for row, param in zip(self._rows, params, strict=True):
            addresses = [param.data_ptr(), gradient_of(param).data_ptr()]
            if row[: GRAD + 1] != addresses:
                row[: GRAD + 1] = addresses
                changed = True
        if self._table is None or changed:
            table = torch.tensor(self._rows, dtype=torch.int64, device=CPU)
            if self._owner.is_cuda:  # from pinned memory, so that the host does not wait
                table = table.pin_memory().to(self._owner.device, non_blocking=True)
            self._table = table
        return self._table


def _kind(param: Tensor, state: Mapping[str, Any]) -> tuple[Any, ...]:
    """What all parameters of one launch have in common."""
    offset = state.get("offset")
    has_offsets = None if offset is None else offset.dtype
    return param.device, param.dtype, "age" in state, has_offsets, state["mean"].dtype
