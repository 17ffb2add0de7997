"""The functions of `_plain` as compiled loops on the CPU, over several threads, without copies of the parameter."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanocl.optim._compiled.loops_adamw import BLOCK, adamw_all, adamw_selected
from nanocl.optim._compiled.loops_select import carry, select_bits, select_random_bits
from nanocl.optim._corrections import corrections
from nanocl.optim._plain import adamw as plain
from nanocl.optim._plain.adamw import OLDEST, AdamW
from nanocl.optim._plain.selection import even_starts, offset_dtype
from nanocl.optim._threads import Work, run

TYPES = (torch.float32, torch.bfloat16, torch.float64)
KINDS = {
    torch.float32: np.empty(0, np.float32),
    torch.bfloat16: np.empty(0, np.uint16),
    torch.float64: np.empty(0, np.float64),
    torch.int16: np.empty(0, np.int16),
    torch.int32: np.empty(0, np.int32),
    torch.int64: np.empty(0, np.int64),
}
LINE, FETCH = (
    64,
    8,
)  # bytes of a cache line; fetching the lines of an entry that lies alone takes as long as 8 steps
_UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def fits(param: Tensor) -> bool:
    """Whether the loops can read and write the parameter and its gradient as they are."""
    grad, kind = param.grad, param.dtype
    return (
        param.is_cpu
        and grad.is_cpu
        and kind in TYPES
        and grad.dtype == kind
        and param.is_contiguous()
        and grad.is_contiguous()
    )


def array(tensor: Tensor) -> np.ndarray:
    """The tensor's memory as a flat array; bfloat16 as its bits."""
    tensor = tensor.detach()
    return (
        (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor)
        .numpy()
        .reshape(-1)
    )


def address(tensor: Tensor) -> int:
    """Where the tensor's memory begins, for less than an array takes.

    Raises:
        RuntimeError: It is not an array in the computer's own memory.
    """
    if not (tensor.is_cpu and tensor.is_contiguous()):
        raise RuntimeError(
            f"state of a CPU parameter must be contiguous and on the CPU, got it on {tensor.device}"
        )
    return tensor.data_ptr()


def select(values: Tensor, density: float, chunk: int, *, largest: bool = False) -> Tensor:
    """See `plain.select`."""
    unsigned = _UNSIGNED[values.element_size()]
    mask = unsigned((1 << (values.element_size() * 8 - 1)) - 1)
    bits = array(values).view(unsigned)
    return _selected(
        select_bits, (bits, mask, mask if largest else unsigned(0)), len(bits), density, chunk
    )


def select_random(key: int, numel: int, density: float, chunk: int, device: torch.device) -> Tensor:
    """See `plain.select_random`."""
    return _selected(select_random_bits, (np.uint32(key), numel), numel, density, chunk)


def _selected(loop: Any, args: tuple[Any, ...], numel: int, density: float, chunk: int) -> Tensor:
    start = even_starts(numel, density, chunk).numpy()
    offset = torch.empty(int(start[-1]), dtype=offset_dtype(chunk))
    run([Work(loop, (*args, start, chunk, offset.numpy()), len(start) - 1, max(1, numel))])
    return offset


def reselect(state: dict[str, Any], start: Tensor, offset: Tensor, policy: str) -> None:
    """See `plain.reselect`."""
    if policy != "carry":
        plain.reselect(state, start, offset, policy)
        return
    names = ("start", "offset", "mean", "square", "age")
    new = {
        "start": start,
        "offset": offset,
        **{name: state[name].new_empty(len(offset)) for name in names[2:]},
    }
    old = [array(state[name]) for name in names]
    years = min(state["step"] - state["chosen"], OLDEST)
    run(
        [
            Work(
                carry,
                (*old, years, *(array(new[name]) for name in names)),
                len(start) - 1,
                max(1, len(offset)),
            )
        ]
    )
    state.update(new, chosen=state["step"])


def adamw(param: Tensor, state: dict[str, Any], step: AdamW) -> list[Work]:
    """See `plain.adamw`; here the work is left to do."""
    mean, offset, age = state["mean"], state.get("offset"), state.get("age")
    args = arguments(param.dtype, state, step)
    numel, keys = param.numel(), (step.key, step.weight_key or 0)
    places = param.data_ptr(), param.grad.data_ptr(), address(mean), address(state["square"])
    if offset is None:
        return [Work(adamw_all, args, -(-numel // BLOCK), max(1, numel), (*places, numel, *keys))]
    start, selected = state["start"], mean.numel()
    edges, aged = start.numel(), 0 if age is None else selected
    row = (
        *places,
        address(start),
        address(offset),
        address(offset if age is None else age),
        numel,
        selected,
        edges,
        aged,
        state["chunk"],
        step.since,
        *keys,
    )
    lines = min(selected, numel * param.element_size() // LINE)
    return [Work(adamw_selected, args, edges - 1, max(1, selected + FETCH * lines), row)]


def arguments(kind: torch.dtype, state: dict[str, Any], step: AdamW) -> tuple[Any, ...]:
    """What the loops of `_kernel_adamw` take beside the table, one object for parameters that have it in common."""
    offset = state["offset"].dtype if "offset" in state else None
    return _arguments(
        (kind, state["mean"].dtype, offset),
        step.lr,
        step.beta1,
        step.beta2,
        step.eps,
        step.decay,
        None if "age" in state else step.since,
        step.weight_key is not None,
    )


@lru_cache(maxsize=64)
def _arguments(
    types: tuple[torch.dtype, torch.dtype, torch.dtype | None],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    since: int | None,
    stochastic: bool,
) -> tuple[Any, ...]:
    """See `arguments`.

    Args:
        types: Of parameter, moments and offsets; None for the last without a selection.
        since: Age of all entries; None where each has its own.
    """
    real = np.float64 if types[0] == torch.float64 else np.float32
    numbers = tuple(map(real, (lr, 1 - beta1, beta2, 1 - beta2, eps, decay)))
    param, moments, offset = (KINDS.get(kind) for kind in types)
    kinds = (param, param, moments, moments)
    if offset is not None:
        kinds += KINDS[torch.int64], offset, offset if since is not None else KINDS[torch.int16]
    return kinds, *corrections(beta1, beta2, since, real), numbers, stochastic
