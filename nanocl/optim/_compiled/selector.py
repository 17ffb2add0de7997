"""The functions of `_plain.selector` as compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanocl.optim._compiled.arrays import array
from nanocl.optim._compiled.loops_select import carry, select_bits, select_random_bits
from nanocl.optim._plain import selector as plain
from nanocl.optim._plain.selection import CPU, even_starts, offset_dtype
from nanocl.optim._plain.selector import OLDEST
from nanocl.optim._threads import Work, run

CARRIED = ("mean", "square", "age")
_UNSIGNED: dict[int, type[np.unsignedinteger]] = {
    2: np.uint16,
    4: np.uint32,
    8: np.uint64,
}


def select(
    values: Tensor,
    density: float,
    chunk: int,
    *,
    largest: bool = False,
) -> Tensor:
    """See `_plain.selector.select`."""
    unsigned = _UNSIGNED[values.element_size()]
    # the mask removes the sign; flipping all other bits reverses the order of magnitudes
    sign = values.element_size() * 8 - 1
    mask = unsigned((1 << sign) - 1)
    flip = mask if largest else unsigned(0)
    bits = array(values).view(unsigned)
    return _selected(select_bits, (bits, mask, flip), len(bits), density, chunk)


def select_random(
    key: int,
    numel: int,
    density: float,
    chunk: int,
    device: torch.device,
) -> Tensor:
    """See `_plain.selector.select_random`."""
    return _selected(select_random_bits, (np.uint32(key), numel), numel, density, chunk)


def _selected(
    loop: Any,
    args: tuple[Any, ...],
    numel: int,
    density: float,
    chunk: int,
) -> Tensor:
    start = even_starts(numel, density, chunk).numpy()
    offset = torch.empty(int(start[-1]), dtype=offset_dtype(chunk), device=CPU)
    chunks = len(start) - 1
    work = Work(loop, (*args, start, chunk, offset.numpy()), chunks, max(1, numel))
    run([work])
    return offset


def reselect(
    state: dict[str, Any],
    start: Tensor,
    offset: Tensor,
    policy: str,
) -> None:
    """See `_plain.selector.reselect`."""
    if policy != "carry":
        plain.reselect(state, start, offset, policy)
        return
    # the loop moves all three in one pass over both selections
    new = {name: state[name].new_empty(len(offset)) for name in CARRIED}
    new = {"start": start, "offset": offset, **new}
    steps_elapsed = min(state["step"] - state["chosen"], OLDEST)
    old_arrays = tuple(array(state[name]) for name in new)
    new_arrays = tuple(array(tensor) for tensor in new.values())
    chunks = len(start) - 1
    work = Work(carry, (old_arrays, steps_elapsed, new_arrays), chunks, max(1, len(offset)))
    run([work])
    state.update(new, chosen=state["step"])
