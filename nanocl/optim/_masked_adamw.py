"""The state and the step of AdamW on a selection, shared by the optimizers that differ in what they select."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nanocl.optim._backend import backend
from nanocl.optim._options import as_dtype
from nanocl.optim._plain.adamw import AdamW, arithmetic_dtype, numbers
from nanocl.optim._plain.rounding import stream_key
from nanocl.optim._plain.selection import chunk_length, even_starts, offset_dtype
from nanocl.optim._threads import Work

Rule = Callable[[Tensor, dict[str, Any], AdamW], list[Work]]


def masked_bytes(
    param: Tensor, group: dict[str, Any], selected: int, *, dense: bool = False
) -> int:
    """Bytes of the state tensors of a parameter with so many selected entries."""
    moments = 2 * state_dtype(param, group).itemsize
    if dense:
        return param.numel() * moments
    chunk = chunk_length(param.numel(), group["chunk_size"])
    age = 2 if group["moment_policy"] == "carry" else 0
    return selected * (offset_dtype(chunk).itemsize + moments + age) + 8 * (
        -(-param.numel() // chunk) + 1
    )


def state_dtype(param: Tensor, group: dict[str, Any]) -> torch.dtype:
    """What the moments are kept in."""
    return as_dtype("state_dtype", group["state_dtype"]) or arithmetic_dtype(param)


def start_dense(param: Tensor, state: dict[str, Any], group: dict[str, Any], ordinal: int) -> None:
    """Fill the empty state of a parameter that is trained in every entry.

    Args:
        ordinal: Distinguishes the random bits of this parameter from those of the others.
    """
    dtype = state_dtype(param, group)
    state.update(step=0, key=stream_key(group["seed"], ordinal))
    for name in ("mean", "square"):
        state[name] = torch.zeros(param.numel(), dtype=dtype, device=param.device)


def start_selection(
    param: Tensor, state: dict[str, Any], group: dict[str, Any], ordinal: int
) -> None:
    """Fill the empty state of a parameter with a selection of nothing, to be replaced by `reselect`."""
    dtype = state_dtype(param, group)
    chunk, device = chunk_length(param.numel(), group["chunk_size"]), param.device
    state.update(
        step=0,
        key=stream_key(group["seed"], ordinal),
        chunk=chunk,
        chosen=0,
        start=even_starts(param.numel(), 0.0, chunk, device),
        offset=torch.empty(0, dtype=offset_dtype(chunk), device=device),
        mean=torch.empty(0, dtype=dtype, device=device),
        square=torch.empty(0, dtype=dtype, device=device),
    )
    if group["moment_policy"] == "carry":
        state["age"] = torch.empty(0, dtype=torch.int16, device=device)


def advance(
    param: Tensor, state: dict[str, Any], group: dict[str, Any], rule: Rule | None = None
) -> list[Work]:
    """One step of the selected entries of a parameter, of all where there is no selection.

    Args:
        rule: What moves the entries and updates the moments, where it is not AdamW.
    """
    state["step"] += 1
    step = numbers(state, group)
    if group["decay_scope"] == "all" and step.decay != 1:
        param.mul_(step.decay)
        step = step._replace(decay=1.0)
    return (rule or backend(param, group["fused"]).adamw)(param, state, step)
