"""What becomes of the moments when another selection takes the place of the old one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._selection import chunk_of, flat_index

OLDEST = 32767  # ages are int16; with beta2 = 0.999 the bias correction is 1 - 6e-15 by then


def reselect(state: dict[str, Any], start: Tensor, offset: Tensor, policy: str) -> None:
    """Replace the selection in `state` and bring along its moments, and ages where it has them.

    Args:
        policy: `carry` moves what belongs to an entry with it, and an entry that comes new starts at zero; `reset`
            starts all at zero; `slot` leaves the i-th value of a chunk to its i-th entry, whichever that is now.
    """
    sources = {"carry": _sources_by_entry, "slot": _sources_by_slot, "reset": _no_sources}[policy]
    source, kept = sources(state, start, offset)
    for name in ("mean", "square", "age"):
        if name in state:
            old, state[name] = state[name], state[name].new_zeros(len(offset))
            state[name][kept] = old[source]
    state["start"], state["offset"] = start, offset


def _sources_by_entry(state: dict[str, Any], start: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Where the moments of each entry that stays lie now, and the mask over the new entries of those that stay."""
    old = flat_index(state["start"], state["offset"], state["chunk"])
    new = flat_index(start, offset, state["chunk"])
    if len(old) == 0:
        return _no_sources(state, start, offset)
    place = torch.searchsorted(old, new).clamp_(max=len(old) - 1)
    kept = old[place] == new
    return place[kept], kept


def _sources_by_slot(state: dict[str, Any], start: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    chunk = chunk_of(start, len(offset))
    rank = torch.arange(len(offset), device=offset.device) - start[chunk]
    kept = rank < state["start"].diff()[chunk]
    return (state["start"][chunk] + rank)[kept], kept


def _no_sources(state: dict[str, Any], start: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    return start.new_empty(0), torch.zeros(len(offset), dtype=torch.bool, device=offset.device)


def older(age: Tensor, steps: int) -> Tensor:
    """Ages after that many more steps, no higher than 16 bits can hold."""
    return (age.to(torch.int32) + steps).clamp_(max=OLDEST).to(torch.int16)
