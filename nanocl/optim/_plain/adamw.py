"""Selection and AdamW in plain PyTorch: any device, any layout, any float type, and what the other kinds must equal.

The sibling modules `_fused` and `_triton` hold the same functions; `_backend` says which is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nanocl.optim._plain.rounding import MOMENTS_KEY, WEIGHTS_KEY, store, stream_key
from nanocl.optim._plain.rounding import random_bits as random_numbers
from nanocl.optim._plain.selection import chunk_of, flat_index, offset_dtype, quota
from nanocl.optim._threads import Work

OLDEST = 32767  # ages are int16; with beta2 = 0.999 the bias correction is 1 - 6e-15 by then
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


class AdamW(NamedTuple):
    """The numbers of one step.

    Attributes:
        decay: What an entry is multiplied with before the step.
        since: Updates since the ages were counted, this one included; the ages are zero where none
            are kept.
        key: Of the random bits that bfloat16 moments are rounded with.
        weight_key: Of those for bfloat16 parameters; None rounds them to nearest.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float
    decay: float
    since: int
    key: int
    weight_key: int | None


def numbers(state: dict[str, Any], group: dict[str, Any]) -> AdamW:
    """Those of the step that the state counted last, by the options of the group."""
    lr = float(group["lr"])
    counts_all = "offset" not in state or group["moment_policy"] in ("slot", "keep")
    stochastic = group["weight_rounding"] == "stochastic"
    rounded = state["mean"].dtype == torch.bfloat16
    return AdamW(
        lr,
        *group["betas"],
        group["eps"],
        decay=1 - lr * group["weight_decay"],
        since=state["step"] - (0 if counts_all else state["chosen"]),
        key=stream_key(state["key"], state["step"], MOMENTS_KEY) if rounded else 0,
        weight_key=stream_key(state["key"], state["step"], WEIGHTS_KEY) if stochastic else None,
    )


def arithmetic_dtype(param: Tensor) -> torch.dtype:
    """float32, or float64 for float64 parameters."""
    return torch.float64 if param.dtype == torch.float64 else torch.float32


def select(values: Tensor, density: float, chunk: int, *, largest: bool = False) -> Tensor:
    """Offsets, ascending, of the entries of lowest magnitude in every chunk, or of the largest.

    Of equal magnitudes the lower offset goes first. NaN is above infinity.
    """
    magnitude = values.detach().reshape(-1).abs()
    keys = magnitude.view(
        _BITS[magnitude.element_size()]
    )  # a float's magnitude and its bits rise together
    return _lowest(~keys if largest else keys, density, chunk)


def select_random(key: int, numel: int, density: float, chunk: int, device: torch.device) -> Tensor:
    """Offsets, ascending, of random entries of every chunk."""
    return _lowest(random_numbers(key, numel, device), density, chunk)


def _lowest(keys: Tensor, density: float, chunk: int) -> Tensor:
    whole = keys.numel() // chunk * chunk
    groups = keys[:whole].view(-1, chunk), keys[whole:].unsqueeze(0)
    return torch.cat([_lowest_of_rows(rows, density) for rows in groups]).to(offset_dtype(chunk))


def _lowest_of_rows(rows: Tensor, density: float) -> Tensor:
    count = quota(rows.shape[1], density)
    if count == 0 or rows.numel() == 0:
        return torch.empty(0, dtype=torch.int64, device=rows.device)
    threshold = rows.kthvalue(count, dim=1, keepdim=True).values
    below, equal = rows < threshold, rows == threshold
    room = count - below.sum(1, keepdim=True)
    chosen = below | (equal & (equal.cumsum(1) <= room))
    return chosen.nonzero()[:, 1]


def reselect(state: dict[str, Any], start: Tensor, offset: Tensor, policy: str) -> None:
    """Replace the selection in `state` and bring along its moments, and ages where it has them.

    Args:
        policy: `carry` and `keep` move what belongs to an entry with it, and one that comes new
            starts at zero; `reset` starts all at zero; `slot` leaves the i-th value of a chunk to
            its i-th entry, whichever that is now.
    """
    if "age" in state:
        years = state["step"] - state["chosen"]
        state["age"] = (state["age"].to(torch.int64) + years).clamp_(max=OLDEST).to(torch.int16)
    sources = {"slot": _sources_by_slot, "reset": _no_sources}.get(policy, _sources_by_entry)
    source, kept = sources(state, start, offset)
    for name in ("mean", "square", "age"):
        if name in state:
            old, state[name] = state[name], state[name].new_zeros(len(offset))
            state[name][kept] = old[source]
    state.update(start=start, offset=offset, chosen=state["step"])


def _sources_by_entry(
    state: dict[str, Any], start: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
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


def adamw(param: Tensor, state: dict[str, Any], step: AdamW) -> list[Work]:
    """Update the selected entries of `param`, all of them where the state has no selection.

    Source: Loshchilov and Hutter, 2019, arXiv:1711.05101, Algorithm 2, in the order of operations
        of `torch.optim.AdamW`; ages and selection as in `NanoAdam`.

    Args:
        state: `mean` and `square`, flat; with a selection also `start`, `offset`, `chunk`, and
            `age` where ages differ.

    Returns:
        Work that is left to do; here none.
    """
    index = (
        flat_index(state["start"], state["offset"], state["chunk"])
        if "offset" in state
        else slice(None)
    )
    first, second = moments(param.grad.reshape(-1)[index].to(arithmetic_dtype(param)), state, step)
    move(param, index, first, second, state.get("age", 0) + step.since, step)
    return []


def moments(gradient: Tensor, state: dict[str, Any], step: AdamW) -> tuple[Tensor, Tensor]:
    """Update the moments in `state`; returns them as computed, without the rounding of the state's type."""
    mean, square = state["mean"], state["square"]
    bits = (
        random_numbers(step.key, len(mean), mean.device) if mean.dtype == torch.bfloat16 else None
    )
    first = mean.to(gradient.dtype).lerp(gradient, 1 - step.beta1)
    second = (square.to(gradient.dtype) * step.beta2).addcmul_(
        gradient, gradient, value=1 - step.beta2
    )
    store(mean, first, None if bits is None else bits & 0xFFFF)
    store(square, second, None if bits is None else bits >> 16)
    return first, second


def move(
    param: Tensor,
    index: Tensor | slice,
    first: Tensor,
    second: Tensor,
    age: Tensor | int,
    step: AdamW,
    decay: Callable[[Tensor, Tensor], Tensor | float] | None = None,
) -> None:
    """Write the entries of `param` at `index` after a step; the moments given are used up.

    Args:
        first, second: Moments of the entries, in the type of the arithmetic.
        age: Updates of their moments, for the bias correction.
        decay: What each entry is multiplied with, from entries and update; None is `step.decay`.
    """
    flat = param.reshape(-1)
    entries = flat[index].to(first.dtype)
    age = age.double() if isinstance(age, Tensor) else age
    denominator = (second.sqrt_() / (1 - step.beta2**age) ** 0.5).add_(step.eps)
    update = first.mul_(step.lr / (1 - step.beta1**age)).div_(denominator)
    entries = entries * (step.decay if decay is None else decay(entries, update)) - update
    rounded = torch.empty_like(entries, dtype=param.dtype)
    bits = (
        None
        if step.weight_key is None
        else random_numbers(step.weight_key, len(entries), param.device) & 0xFFFF
    )
    store(rounded, entries, bits)
    flat[index] = rounded
    if not param.is_contiguous():  # then `flat` is a copy
        param.copy_(flat.view_as(param))
