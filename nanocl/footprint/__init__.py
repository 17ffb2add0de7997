"""Bytes that training needs for weights, gradients and optimizer state, exact and without allocating them.

The state of an optimizer is found by running the optimizer itself on meta tensors, which have a
shape and no data. Of ours some select by the data and cannot: their state is counted in formulas
that use their own counting functions.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nanocl.footprint.architectures import Weight
from nanocl.optim import MicroAdam, NanoAdam
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._options import as_dtype
from nanocl.optim._plain.selection import SHORT_CHUNK, chunk_length, offset_dtype, selected_count
from nanocl.records import UserError
from nanocl.training.measure import tensor_bytes

StateBytes = Callable[[Weight], int]


@dataclass(frozen=True)
class Footprint:
    """Bytes of one model under one optimizer; activations, buffers and temporary memory are not in it.

    Attributes:
        parameters: Entries of all weights, frozen ones too.
        weights: Bytes of the weights.
        gradients: Bytes of one dense gradient for each weight that is trained.
        state: Bytes of all tensors in the optimizer's state after the first steps, at the highest
            density.
    """

    parameters: int
    weights: int
    gradients: int
    state: int

    @property
    def total(self) -> int:
        """Bytes of weights, gradients and state."""
        return self.weights + self.gradients + self.state


def footprint(weights: Iterable[Weight], state_bytes: StateBytes, dtype: torch.dtype) -> Footprint:
    """What these weights need in `dtype`, gradients in the same, with the state that `state_bytes` counts for each."""
    weights = tuple(weights)
    trained = [weight for weight in weights if weight.role != "frozen"]
    entries = sum(weight.numel for weight in weights)
    return Footprint(
        entries,
        entries * dtype.itemsize,
        sum(weight.numel for weight in trained) * dtype.itemsize,
        sum(map(state_bytes, trained)),
    )


def state_bytes_of(
    optimizer: type[Optimizer],
    options: Mapping[str, Any],
    dtype: torch.dtype,
    group_of: Callable[[Weight], Mapping[str, Any]] = lambda weight: {},
) -> StateBytes:
    """How many bytes of state an optimizer keeps for a weight.

    Args:
        optimizer: Its class.
        options: Arguments of its constructor beside the parameters.
        dtype: Of the weights.
        group_of: Options of the parameter group that a weight lies in, where they are not those of
            the optimizer.

    Returns:
        A function that raises UserError for a weight that the optimizer refuses.
    """
    count = functools.cache(
        functools.partial(_state_bytes, optimizer, tuple(options.items()), dtype)
    )
    return lambda weight: count(weight.shape, tuple(group_of(weight).items()))


def adamw8bit(dtype: torch.dtype) -> StateBytes:
    """AdamW with 8-bit moments as torchao stores them.

    Two codes an entry, one float32 scale for each 256 of them, and for each moment a table of 256
    float32 levels; what has under 4096 entries, or no multiple of 256, keeps its moments in its own
    dtype. Source: Dettmers et al., 2022, arXiv:2110.02861, section 2 (blocks of 2048 there), in the
    layout of `torchao.optim.AdamW8bit`.
    """

    def count(weight: Weight) -> int:
        entries, step = weight.numel, 4
        if entries < 4096 or entries % 256:
            return 2 * entries * dtype.itemsize + step
        return 2 * (entries + entries // 256 * 4 + 256 * 4) + step

    return count


def _state_bytes(
    optimizer: type[Optimizer],
    options: tuple[tuple[str, Any], ...],
    dtype: torch.dtype,
    shape: tuple[int, ...],
    group: tuple[tuple[str, Any], ...],
) -> int:
    make = functools.partial(_make, optimizer, dict(options), dict(group))
    formula = FORMULAS.get(optimizer)
    if formula is None and issubclass(optimizer, CompactOptimizer):
        formula = optimizer.bytes_of
    if formula is not None:
        param, made = make(shape, dtype, "meta")
        return formula(param, made.param_groups[0])
    found, error = _after_steps(*make(shape, dtype, "meta"))
    if error is None:
        return found
    # some read numbers back when their state is there already: it is, if a small weight has as much
    # as for real
    small = tuple(min(size, 64 if len(shape) > 1 else 4096) for size in shape)
    real, failure = _after_steps(*make(small, dtype, "cpu"))
    if failure is not None or _after_steps(*make(small, dtype, "meta"))[0] != real:
        reason = failure or f"its state depends on the data ({error})"
        raise UserError(
            f"the state of {optimizer.__name__} cannot be predicted for shape {shape}: {reason}"
        )
    return found


def _make(
    optimizer: type[Optimizer],
    options: dict[str, Any],
    group: dict[str, Any],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: str,
) -> tuple[Tensor, Optimizer]:
    param = nn.Parameter(torch.ones(shape, dtype=dtype, device=device))
    param.grad = torch.full_like(param, 0.01)
    try:
        return param, optimizer([{"params": [param], **group}], **options)
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(
            f"{optimizer.__name__} cannot be made for a weight of shape {shape}: {error}"
        ) from error


def _after_steps(param: Tensor, optimizer: Optimizer) -> tuple[int, Exception | None]:
    """Bytes of state after two steps, and what went wrong in them."""
    error = None
    with (
        warnings.catch_warnings(),
        torch.compiler.set_stance("force_eager"),
    ):  # compiling takes longer than the steps
        warnings.simplefilter("ignore")
        try:
            optimizer.step()
            optimizer.step()
        except (
            Exception
        ) as problem:  # anybody's optimizer may fail in any way on tensors without data
            error = problem
    return tensor_bytes(optimizer.state.get(param, {})), error


def _nanoadam(param: Tensor, group: Mapping[str, Any]) -> int:
    moment = as_dtype("state_dtype", group["state_dtype"]) or _arithmetic(param)
    densities = [
        density for density in (group["density"], group["final_density"]) if density is not None
    ]
    if min(densities) == 1:
        return 2 * param.numel() * moment.itemsize
    chunk = chunk_length(param.numel(), group["chunk_size"])
    age = 2 if group["moment_policy"] == "carry" else 0
    selected = selected_count(param.numel(), max(densities), chunk)
    return selected * (offset_dtype(chunk).itemsize + 2 * moment.itemsize + age) + 8 * (
        -(-param.numel() // chunk) + 1
    )


def _microadam(param: Tensor, group: Mapping[str, Any]) -> int:
    value = as_dtype("state_dtype", group["state_dtype"]) or torch.bfloat16
    sent = selected_count(param.numel(), group["density"], group["block_size"] or SHORT_CHUNK)
    codes, buckets = (param.numel() + 1) // 2, -(-param.numel() // group["quant_block"])
    return codes + 2 * buckets * value.itemsize + group["window"] * sent * (2 + value.itemsize)


def _arithmetic(param: Tensor) -> torch.dtype:
    return torch.float64 if param.dtype == torch.float64 else torch.float32


FORMULAS: Mapping[type[Optimizer], Callable[[Tensor, Mapping[str, Any]], int]] = {
    NanoAdam: _nanoadam,
    MicroAdam: _microadam,
}
