"""Bytes of weights, gradients and optimizer state in training, exact and without allocating them.

An optimizer may describe its state by a static method `bytes_of(param, group)`, as those of
`nanocl.optim` do. Any other takes two steps on meta tensors, which have a shape and no data.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nanocl.footprint.architectures import Weight
from nanocl.records import UserError
from nanocl.training.measure import tensor_bytes


@dataclass(frozen=True)
class StateBytes:
    """Bytes of state that an optimizer keeps.

    Attributes:
        of: For one weight.
        of_all: For all weights of a model together, where that is not the sum of single weights.
    """

    of: Callable[[Weight], int]
    of_all: Callable[[Sequence[Weight]], int] | None = None

    def __call__(self, weight: Weight) -> int:
        """For one weight."""
        return self.of(weight)

    def total(self, weights: Sequence[Weight]) -> int:
        """For all weights of a model."""
        return self.of_all(weights) if self.of_all else sum(map(self.of, weights))


@dataclass(frozen=True)
class Footprint:
    """Bytes of one model under one optimizer, without activations, buffers and temporary memory.

    Attributes:
        parameters: Entries of all weights, frozen ones too.
        weights: Bytes of the weights.
        gradients: Bytes of one dense gradient for each trained weight.
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
    """The footprint of weights in `dtype` with gradients of the same type.

    Args:
        weights: The parameters of a model.
        state_bytes: Bytes of optimizer state for a trained weight.
        dtype: Type of weights and gradients.
    """
    weights = tuple(weights)
    trained = [weight for weight in weights if weight.role != "frozen"]
    entries = sum(weight.numel for weight in weights)
    return Footprint(
        parameters=entries,
        weights=entries * dtype.itemsize,
        gradients=sum(weight.numel for weight in trained) * dtype.itemsize,
        state=state_bytes.total(trained),
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
        dtype: Type of the weights.
        group_of: Options of a weight's parameter group that differ from those of the optimizer.

    Returns:
        Counts that raise UserError for a weight that the optimizer refuses.
    """
    count = functools.cache(
        functools.partial(_state_bytes, optimizer, tuple(options.items()), dtype)
    )

    def of(weight: Weight) -> int:
        return count(weight.shape, tuple(group_of(weight).items()))

    def of_all(weights: Sequence[Weight]) -> int:
        groups = [
            {"params": [_on_meta(weight.shape, dtype)], **group_of(weight)} for weight in weights
        ]
        made: Any = _made(optimizer, groups, options, f"{len(groups)} weights")
        try:
            return made.state_bytes()
        except ValueError as error:
            raise UserError(f"{optimizer.__name__} cannot be counted: {error}") from error

    # an optimizer that chooses from all weights together counts their state together
    return StateBytes(of, of_all if getattr(optimizer, "selects_from_all", False) else None)


def adamw8bit(dtype: torch.dtype) -> StateBytes:
    """AdamW with 8-bit moments in the layout of torchao.optim.AdamW8bit.

    Each entry has two codes, each 256 entries two float32 scales, and each weight two tables of 256
    float32 levels. A weight of under 4096 entries, or of a number that is no multiple of 256, keeps
    its moments in its own dtype.

    Source: Dettmers et al., 2022, arXiv:2110.02861, section 2, there with blocks of 2048.
    """

    def count(weight: Weight) -> int:
        entries = weight.numel
        step = 4
        if entries < 4096 or entries % 256:
            return 2 * entries * dtype.itemsize + step
        return 2 * (entries + entries // 256 * 4 + 256 * 4) + step

    return StateBytes(count)


def _state_bytes(
    optimizer: type[Optimizer],
    options: tuple[tuple[str, Any], ...],
    dtype: torch.dtype,
    shape: tuple[int, ...],
    group: tuple[tuple[str, Any], ...],
) -> int:
    make = functools.partial(_make, optimizer, dict(options), dict(group))
    formula = getattr(optimizer, "bytes_of", None)
    if formula is not None:
        param, made = make(shape, dtype, "meta")
        return formula(param, _at_highest_density(made.param_groups[0]))
    size, error = _after_steps(*make(shape, dtype, "meta"))
    small = tuple(min(length, 64 if len(shape) > 1 else 4096) for length in shape)
    of_ones, of_zeros = (_after_steps(*make(small, dtype, "cpu", value))[0] for value in (1.0, 0.0))
    if of_ones != of_zeros:
        raise UserError(f"the state of {optimizer.__name__} depends on the weights' values")
    if error is None and _of_two(*make(small, dtype, "cpu")) != 2 * of_ones:
        raise UserError(f"the state of {optimizer.__name__} for a weight depends on the others")
    if error is None:
        return size
    # Some optimizers fail on meta tensors only after they have created their state, when they read
    # a number back. Accept the size if a small weight has the same state on meta and on the CPU.
    real, failure = _after_steps(*make(small, dtype, "cpu"))
    if failure is not None or _after_steps(*make(small, dtype, "meta"))[0] != real:
        reason = failure or f"its state depends on the data ({error})"
        raise UserError(
            f"the state of {optimizer.__name__} cannot be predicted for shape {shape}: {reason}"
        )
    return size


def _at_highest_density(group: Mapping[str, Any]) -> dict[str, Any]:
    """A group's options with its density schedule reversed if the density rises."""
    if group.get("final_density") is None:
        return dict(group)
    low, high = sorted((group["density"], group["final_density"]))
    return {**group, "density": high, "final_density": low}


def _make(
    optimizer: type[Optimizer],
    options: dict[str, Any],
    group: dict[str, Any],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: str,
    value: float = 1.0,
) -> tuple[Tensor, Optimizer]:
    """A parameter with a gradient, and the optimizer on it."""
    param = nn.Parameter(torch.full(shape, value, dtype=dtype, device=device))
    param.grad = torch.full_like(param, 0.01)
    groups = [{"params": [param], **group}]
    return param, _made(optimizer, groups, options, f"a weight of shape {shape}")


def _made(
    optimizer: type[Optimizer],
    groups: list[dict[str, Any]],
    options: Mapping[str, Any],
    what: str,
) -> Optimizer:
    try:
        return optimizer(groups, **options)
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(f"{optimizer.__name__} cannot be made for {what}: {error}") from error


def _on_meta(shape: tuple[int, ...], dtype: torch.dtype) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, dtype=dtype, device="meta"))


def _of_two(param: Tensor, optimizer: Optimizer) -> int:
    """Bytes of state after two steps with a second weight of the same shape in the group."""
    other = nn.Parameter(param.detach().clone())
    other.grad = torch.full_like(other, 0.01)
    optimizer.param_groups[0]["params"].append(other)
    first, _ = _after_steps(param, optimizer)
    return first + tensor_bytes(optimizer.state.get(other, {}))


def _after_steps(param: Tensor, optimizer: Optimizer) -> tuple[int, Exception | None]:
    """Bytes of state after two steps, and the exception that ended them, if any."""
    error = None
    # without compiling, which would take longer than the steps
    with warnings.catch_warnings(), torch.compiler.set_stance("force_eager"):
        warnings.simplefilter("ignore")
        try:
            optimizer.step()
            optimizer.step()
        except Exception as problem:  # on tensors without data an optimizer may fail in any way
            error = problem
    others = [value for key, value in optimizer.state.items() if key is not param]
    if tensor_bytes(others):
        error = error or ValueError("it keeps tensors that belong to no single weight")
    return tensor_bytes(optimizer.state.get(param, {})), error
