"""Which entries of each chunk are selected, and what a new selection does to the moments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.optim._plain.rounding import random_bits
from nanocl.optim._plain.selection import chunk_of, flat_index, offset_dtype, quota

OLDEST = 32767  # ages are int16; with beta2 = 0.999 the bias correction is 1 - 6e-15 by then
_BITS = {
    2: torch.int16,
    4: torch.int32,
    8: torch.int64,
}

# for each entry of a new selection an old place, and whether to take what is there; with a mask
# instead of fewer places, since a GPU's host would wait for their number
Sources = tuple[Tensor, Tensor]


def select(
    values: Tensor,
    density: float,
    chunk: int,
    *,
    largest: bool = False,
) -> Tensor:
    """Offsets, ascending, of the entries of smallest (or largest) magnitude in every chunk.

    Of equal magnitudes the lower offset comes first. NaN counts as larger than infinity.
    """
    magnitude = values.detach().reshape(-1).abs()
    # without the sign bit, the bits of a float read as an integer rise with its magnitude
    keys = magnitude.view(_BITS[magnitude.element_size()])
    return _lowest(~keys if largest else keys, density, chunk)


def select_random(
    key: int | Tensor,
    numel: int,
    density: float,
    chunk: int,
    device: torch.device,
) -> Tensor:
    """Offsets, ascending, of random entries of every chunk."""
    return _lowest(random_bits(key, numel, device), density, chunk)


def _lowest(keys: Tensor, density: float, chunk: int) -> Tensor:
    whole = keys.numel() // chunk * chunk
    # the last chunk may be shorter, so it is a matrix of its own
    groups = keys[:whole].view(-1, chunk), keys[whole:].unsqueeze(0)
    offsets = [_lowest_of_rows(rows, density) for rows in groups]
    return torch.cat(offsets).to(offset_dtype(chunk))


def _lowest_of_rows(rows: Tensor, density: float) -> Tensor:
    count = quota(rows.shape[1], density)
    if count == 0 or rows.numel() == 0:
        return torch.empty(0, dtype=torch.int64, device=rows.device)
    if not rows.is_cpu:
        return _lowest_by_sorting(rows, count)
    threshold = rows.kthvalue(count, dim=1, keepdim=True).values
    below = rows < threshold
    equal = rows == threshold
    # the first entries equal to the threshold fill the quota exactly
    missing = count - below.sum(1, keepdim=True)
    first_equal = equal & (equal.cumsum(1) <= missing)
    chosen = below | first_equal
    return chosen.nonzero()[:, 1]


def _lowest_by_sorting(rows: Tensor, count: int) -> Tensor:
    """The same without a size that the host must wait for; many times faster on a GPU."""
    # a stable sort leaves equal keys in the order of their offsets
    offsets = rows.sort(dim=1, stable=True).indices[:, :count]
    return offsets.sort(dim=1).values.reshape(-1)


def reselect(
    state: dict[str, Any],
    start: Tensor,
    offset: Tensor,
    policy: str,
) -> None:
    """Replace the selection in `state`, and move its moments (and ages, if any) along.

    Args:
        policy: `carry` and `keep` move the moments of an entry that stays selected; a new entry
            starts at zero. `reset` starts all entries at zero. `slot` gives the i-th moments of a
            chunk to the i-th entry of the new selection, whichever entry that is.
    """
    if "age" in state:
        # ages are stored as of the last selection; bring them up to date before they move
        steps_elapsed = state["step"] - state["chosen"]
        age = state["age"].to(torch.int64) + steps_elapsed
        state["age"] = age.clamp_(max=OLDEST).to(torch.int16)
    rules = {"slot": _sources_by_slot, "reset": _no_sources}
    rule = rules.get(policy, _sources_by_entry)
    sources = rule(state, start, offset)
    for name in ("mean", "square", "age"):
        if name in state:
            old = state[name]
            state[name] = old.new_zeros(len(offset))
            if sources is not None:
                place, kept = sources
                torch.where(kept, old[place], state[name], out=state[name])
    state.update(start=start, offset=offset, chosen=state["step"])


def reselect_in_place(
    state: dict[str, Any],
    start: Tensor,
    offset: Tensor,
    policy: str,
) -> None:
    """As `reselect`, into the tensors in `state`, at whose addresses a CUDA graph reads and writes.

    The counts in `state` are tensors. Only the first selection, which fills it, makes new tensors.
    """
    new = dict(state)
    reselect(new, start, offset, policy)
    chosen = state["chosen"].copy_(state["step"])
    if len(offset) != len(state["offset"]):
        state.update(new, chosen=chosen)
        return
    for name in ("start", "offset", "mean", "square", "age"):
        if name in state:
            state[name].copy_(new[name])


def _sources_by_entry(state: dict[str, Any], start: Tensor, offset: Tensor) -> Sources | None:
    """Old place of each entry of the new selection, and whether it was selected."""
    old = flat_index(state["start"], state["offset"], state["chunk"])
    new = flat_index(start, offset, state["chunk"])
    if len(old) == 0:
        return None
    place = torch.searchsorted(old, new).clamp_(max=len(old) - 1)
    return place, old[place] == new


def _sources_by_slot(state: dict[str, Any], start: Tensor, offset: Tensor) -> Sources | None:
    if len(state["offset"]) == 0:
        return None
    chunk = chunk_of(start, len(offset))
    # rank of each entry in its chunk; ranks beyond the old count have no moments to take
    rank = torch.arange(len(offset), device=offset.device) - start[chunk]
    old_start = state["start"]
    kept = rank < old_start.diff()[chunk]
    place = (old_start[chunk] + rank).clamp_(max=len(state["offset"]) - 1)
    return place, kept


def _no_sources(state: dict[str, Any], start: Tensor, offset: Tensor) -> None:
    return None
