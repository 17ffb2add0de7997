"""State and step of AdamW on a selection, shared by optimizers that differ in what they select."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nanocl.optim._backend import function_for
from nanocl.optim._options import as_dtype
from nanocl.optim._plain.adamw import AdamStep, adam_step, arithmetic_dtype
from nanocl.optim._plain.rounding import stream_key
from nanocl.optim._plain.selection import chunk_length, even_starts, offset_dtype
from nanocl.optim._threads import Work

# entries of a state with a selection, beside those of a dense one
SELECTION = frozenset(("chunk", "chosen", "start", "offset", "age"))

Rule = Callable[[Tensor, dict[str, Any], AdamStep], list[Work]]


def masked_bytes(
    param: Tensor,
    group: Mapping[str, Any],
    selected: int,
    *,
    dense: bool = False,
) -> int:
    """Bytes of the state tensors of a parameter, from its number of selected entries."""
    moments = 2 * state_dtype(param, group).itemsize
    counts = 8 * (1 if dense else 2) if group.get("capturable") else 0
    if dense:
        return param.numel() * moments + counts
    chunk = chunk_length(param.numel(), group["chunk_size"])
    age = 2 if group["moment_policy"] == "carry" else 0
    entry = offset_dtype(chunk).itemsize + moments + age
    starts = -(-param.numel() // chunk) + 1
    return selected * entry + 8 * starts + counts


def state_dtype(param: Tensor, group: Mapping[str, Any]) -> torch.dtype:
    """The type of the moments."""
    return as_dtype("state_dtype", group["state_dtype"]) or arithmetic_dtype(param)


def has_dense(states: Mapping[Tensor, dict[str, Any]], group: Mapping[str, Any]) -> bool:
    """Whether a parameter of the group has a state of every entry, without a selection."""
    own = filter(None, map(states.get, group["params"]))
    return any("offset" not in state for state in own)


def start_dense(
    param: Tensor,
    state: dict[str, Any],
    group: dict[str, Any],
    ordinal: int,
) -> None:
    """Fill the empty state of a parameter of which every entry is trained.

    Args:
        ordinal: Gives the parameter random bits that no other parameter has.
    """
    dtype = state_dtype(param, group)
    state.update(step=0, key=stream_key(group["seed"], ordinal))
    for name in ("mean", "square"):
        state[name] = torch.zeros(param.numel(), dtype=dtype, device=param.device)


def start_selection(
    param: Tensor,
    state: dict[str, Any],
    group: dict[str, Any],
    ordinal: int,
) -> None:
    """Fill the empty state of a parameter with an empty selection, which `reselect` replaces."""
    dtype = state_dtype(param, group)
    chunk = chunk_length(param.numel(), group["chunk_size"])
    device = param.device
    state.update(
        step=0,
        key=stream_key(group["seed"], ordinal),
        chunk=chunk,
        chosen=0,  # the step of the last selection
        start=even_starts(param.numel(), 0.0, chunk, device),
        offset=torch.empty(0, dtype=offset_dtype(chunk), device=device),
        mean=torch.empty(0, dtype=dtype, device=device),
        square=torch.empty(0, dtype=dtype, device=device),
    )
    if group["moment_policy"] == "carry":
        state["age"] = torch.empty(0, dtype=torch.int16, device=device)


def advance(
    param: Tensor,
    state: dict[str, Any],
    group: dict[str, Any],
    rule: Rule | None = None,
) -> list[Work]:
    """One step of the selected entries of a parameter; of all entries without a selection.

    Args:
        rule: Updates moments and entries; None is AdamW.
    """
    state["step"] += 1
    if group.get("capturable"):
        return function_for(param, group["fused"], "adamw_on_device")(param, state, group)
    step = adam_step(state, group)
    if group["decay_scope"] == "all" and step.decay != 1:
        # the rule sees selected entries only, so decay of all entries comes first
        param.mul_(step.decay)
        step = step._replace(decay=1.0)
    if rule is None:
        rule = function_for(param, group["fused"], "adamw")
    return rule(param, state, step)
