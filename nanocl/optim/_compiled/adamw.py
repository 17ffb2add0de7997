"""A step of AdamW as compiled loops on several threads, without a copy of the parameter."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from nanocl.optim._compiled.arrays import KINDS, address, arithmetic_type
from nanocl.optim._compiled.loops_adamw import BLOCK, LINE, adamw_all, adamw_selected
from nanocl.optim._corrections import corrections
from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import AdamStep
from nanocl.optim._threads import Work

FETCH = 8  # fetching the cache lines of an isolated entry takes as long as updating 8 entries


def adamw(param: Tensor, state: dict[str, Any], step: AdamStep) -> list[Work]:
    """See `_plain.adamw.adamw`; returns the loop that still has to run."""
    if "offset" in state:
        return [_selected_work(param, state, step)]
    numel = param.numel()
    args = arguments(param.dtype, state, step)
    row = (*_addresses(param, state), numel, step.key, step.weight_key or 0)
    blocks = -(-numel // BLOCK)
    return [Work(adamw_all, args, blocks, max(1, numel), row)]


def _selected_work(param: Tensor, state: dict[str, Any], step: AdamStep) -> Work:
    mean = state["mean"]
    start = state["start"]
    offset = state["offset"]
    age = state.get("age")
    numel = param.numel()
    selected = mean.numel()
    edges = start.numel()
    # the order of `adamw_selected`'s table: addresses, lengths, then numbers
    row = (
        *_addresses(param, state),
        address(start),
        address(offset),
        address(offset if age is None else age),
        numel,
        selected,
        edges,
        0 if age is None else selected,
        state["chunk"],
        step.since,
        step.key,
        step.weight_key or 0,
    )
    lines = min(selected, numel * param.element_size() // LINE)
    cost = max(1, selected + FETCH * lines)
    return Work(adamw_selected, arguments(param.dtype, state, step), edges - 1, cost, row)


def _addresses(param: Tensor, state: dict[str, Any]) -> tuple[int, int, int, int]:
    gradient = gradient_of(param)
    mean = address(state["mean"])
    square = address(state["square"])
    return param.data_ptr(), gradient.data_ptr(), mean, square


def arguments(kind: torch.dtype, state: dict[str, Any], step: AdamStep) -> tuple[Any, ...]:
    """The arguments of the loops beside the table.

    Equal arguments are one object, by which `Work` recognises parameters to update in one call.
    """
    offset = state["offset"].dtype if "offset" in state else None
    since = None if "age" in state else step.since
    types = kind, state["mean"].dtype, offset
    numbers = step.lr, step.beta1, step.beta2, step.eps, step.decay
    return _arguments(types, numbers, since, step.weight_key is not None)


@lru_cache(maxsize=64)
def _arguments(
    types: tuple[torch.dtype, torch.dtype, torch.dtype | None],
    numbers: tuple[float, float, float, float, float],
    since: int | None,
    stochastic: bool,
) -> tuple[Any, ...]:
    """See `arguments`.

    Args:
        types: Of parameter, moments and offsets; None for the last without a selection.
        numbers: lr, beta1, beta2, eps, decay.
        since: Age of all entries; None where entries differ in age.
    """
    lr, beta1, beta2, eps, decay = numbers
    real = arithmetic_type(types[0])
    scalars = tuple(map(real, (lr, 1 - beta1, beta2, 1 - beta2, eps, decay)))
    param = KINDS[types[0]]
    moments = KINDS[types[1]]
    kinds = [param, param, moments, moments]
    if types[2] is not None:
        age = types[2] if since is not None else torch.int16
        kinds += [KINDS[torch.int64], KINDS[types[2]], KINDS[age]]
    return tuple(kinds), *corrections(beta1, beta2, since, real), scalars, stochastic
