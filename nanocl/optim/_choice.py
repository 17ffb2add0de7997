"""Makes NanoAdam's selections."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.optim._backend import function_for
from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.rounding import SELECTION_KEY, stream_key
from nanocl.optim._plain.selection import even_starts
from nanocl.optim._plain.selector import reselect_in_place

SMALLEST = ("small", "static-small")  # rules that select the smallest magnitudes
BY_GRADIENT = ("gradient", "gallop")  # rules that need the gradient of the step


def choose(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Make a new selection, which Algorithm 1 calls the mask."""
    chunk = state["chunk"]
    density = scheduled_density(state["step"], group)
    offset = _offsets(param, state, group, density)
    start = even_starts(param.numel(), density, chunk, param.device)
    reselect = reselect_in_place
    if not group["capturable"]:
        reselect = function_for(param, group["fused"], "selector", "reselect")
    reselect(state, start, offset, group["moment_policy"])


def _offsets(
    param: Tensor,
    state: dict[str, Any],
    group: dict[str, Any],
    density: float,
) -> Tensor:
    """Offsets that the option `select` picks: in the paper, of the smallest weights."""
    rule = group["select"]
    fused = False if group["capturable"] else group["fused"]  # loops need a key on the host
    chunk = state["chunk"]
    if rule == "random":
        # bits of their own, or the selection would depend on how moments are rounded
        key = stream_key(state["key"], state["step"], SELECTION_KEY)
        select_random = function_for(param, fused, "selector", "select_random")
        return select_random(key, param.numel(), density, chunk, param.device)
    select = function_for(param, fused, "selector", "select")
    return select(_values(param, rule), density, chunk, largest=rule not in SMALLEST)


def _values(param: Tensor, rule: str) -> Tensor:
    """The values by whose magnitude a rule selects."""
    if rule == "gradient":
        return gradient_of(param)
    if rule == "gallop":
        # without 0 / 0, which would count as the largest
        return gradient_of(param) / param.abs().clamp(min=torch.finfo(param.dtype).tiny)
    return param


def scheduled_density(step: int, group: dict[str, Any]) -> float:
    """Density in use after `step` steps: linear in the last multiple of `density_interval`."""
    first = group["density"]
    last = group["final_density"]
    if last is None:
        return first
    # the paper's schedule k(t), evaluated at multiples of the interval and constant after its end
    evaluated = step - step % (group["density_interval"] or 1)
    return first + (last - first) * min(1.0, evaluated / group["total_steps"])
