"""The functions of `_plain` as compiled loops on the CPU, over several threads, without copies of the parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import _plain
from ._corrections import corrections
from ._kernel_adamw import BLOCK, adamw_all, adamw_selected
from ._kernel_select import carry, select_bits, select_random_bits
from ._plain import OLDEST, AdamW
from ._selection import even_starts, offset_dtype
from ._threads import Work, run

TYPES = (torch.float32, torch.bfloat16, torch.float64)
KINDS = {torch.float32: np.empty(0, np.float32), torch.bfloat16: np.empty(0, np.uint16),
         torch.float64: np.empty(0, np.float64), torch.int16: np.empty(0, np.int16),
         torch.int32: np.empty(0, np.int32), torch.int64: np.empty(0, np.int64)}
LINE, FETCH = 64, 8  # bytes of a cache line; fetching the lines of an entry that lies alone takes as long as 8 steps
_UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def fits(param: Tensor) -> bool:
    """Whether the loops can read and write the parameter and its gradient as they are."""
    return param.dtype in TYPES and param.grad.dtype == param.dtype and all(
        tensor.device.type == "cpu" and tensor.is_contiguous() for tensor in (param, param.grad))


def array(tensor: Tensor) -> np.ndarray:
    """The tensor's memory as a flat array; bfloat16 as its bits."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy().reshape(-1)


def address(tensor: Tensor) -> int:
    """Where the tensor's memory begins, for less than an array takes.

    Raises:
        RuntimeError: It is not an array in the computer's own memory.
    """
    if not (tensor.is_cpu and tensor.is_contiguous()):
        raise RuntimeError(f"state of a CPU parameter must be contiguous and on the CPU, got it on {tensor.device}")
    return tensor.data_ptr()


def select(values: Tensor, density: float, chunk: int, *, largest: bool = False) -> Tensor:
    """See `_plain.select`."""
    unsigned = _UNSIGNED[values.element_size()]
    width = values.element_size() * 8 - 1
    mask = unsigned((1 << width) - 1)
    bits = array(values).view(unsigned)
    return _selected(select_bits, (bits, mask, mask if largest else unsigned(0), width), len(bits), density, chunk)


def select_random(key: int, numel: int, density: float, chunk: int, device: torch.device) -> Tensor:
    """See `_plain.select_random`."""
    return _selected(select_random_bits, (np.uint32(key), numel), numel, density, chunk)


def _selected(loop: Any, args: tuple[Any, ...], numel: int, density: float, chunk: int) -> Tensor:
    start = even_starts(numel, density, chunk).numpy()
    offset = torch.empty(int(start[-1]), dtype=offset_dtype(chunk))
    run([Work(loop, (*args, start, chunk, offset.numpy()), len(start) - 1, max(1, numel))])
    return offset


def reselect(state: dict[str, Any], start: Tensor, offset: Tensor, policy: str) -> None:
    """See `_plain.reselect`."""
    if policy != "carry":
        _plain.reselect(state, start, offset, policy)
        return
    names = ("start", "offset", "mean", "square", "age")
    new = {"start": start, "offset": offset, **{name: state[name].new_empty(len(offset)) for name in names[2:]}}
    old = [array(state[name]) for name in names]
    years = min(state["step"] - state["chosen"], OLDEST)
    run([Work(carry, (*old, years, *(array(new[name]) for name in names)), len(start) - 1, max(1, len(offset)))])
    state.update(new, chosen=state["step"])


def adamw(param: Tensor, state: dict[str, Any], step: AdamW) -> list[Work]:
    """See `_plain.adamw`; here the work is left to do."""
    real = np.float64 if param.dtype == torch.float64 else np.float32
    numbers = tuple(map(real, (step.lr, 1 - step.beta1, step.beta2, 1 - step.beta2, step.eps, step.decay)))
    keys = np.uint32(step.key), np.uint32(step.weight_key or 0), step.weight_key is not None
    age = state.get("age")
    rest = *corrections(step.beta1, step.beta2, step.since, real, by_age=age is not None), numbers, keys
    if "offset" not in state:
        arrays = [array(tensor) for tensor in (param, param.grad, state["mean"], state["square"])]
        return [Work(adamw_all, (*arrays, *rest), -(-param.numel() // BLOCK), max(1, param.numel()))]
    mean, start, offset = state["mean"], state["start"], state["offset"]
    tensors = param, param.grad, mean, state["square"], start, offset, offset if age is None else age
    numel, selected, edges = param.numel(), mean.numel(), start.numel()
    args = (tuple(map(address, tensors)), tuple([KINDS[tensor.dtype] for tensor in tensors]),
            (numel, selected, edges, 0 if age is None else selected), state["chunk"], step.since, *rest)
    lines = min(selected, numel * param.element_size() // LINE)
    return [Work(adamw_selected, args, edges - 1, max(1, selected + FETCH * lines))]
