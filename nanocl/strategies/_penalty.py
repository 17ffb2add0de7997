"""The quadratic penalty of EWC and SI, for all parameters in a few fused operations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from nanocl.strategies._compiled import Rows, are_dense, fits, sums_of_blocks


class HalfSquare:
    """Adds `strength / 2 * sum of weight * (parameter - centre)^2` to the loss of each step.

    Its gradient is None for a parameter without penalty: with zeros the optimizer would move an
    unused head by its momentum. On the CPU the values tell which these are. On a GPU the host would
    wait for them, so that it reads them once for an experience; from a parameter's first gradient
    on its penalty counts.
    """

    def __init__(self) -> None:
        self.weights: Mapping[str, Tensor] = {}
        self.centres: Mapping[str, Tensor] = {}
        self._pulls: _Pulls | None = None

    def state_dict(self) -> dict[str, Any]:
        """Nothing: all of it follows from the arguments of the next step."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return HalfSquare, ()  # addresses are of no use to a copy

    def __call__(
        self,
        loss: Tensor,
        model: nn.Module,
        weights: Mapping[str, Tensor],
        centres: Mapping[str, Tensor],
        strength: float = 1.0,
        constant: float = 0.0,
    ) -> Tensor:
        """The loss with the penalty of the model, and with a constant, added.

        Args:
            loss: A scalar.
            model: Has the parameters, the same ones as long as weights and centres are.
            weights: Parameter name to a weight for each entry; other parameters have no penalty.
            centres: Parameter name to the values without penalty.
            strength: A factor.
            constant: Added to the value.
        """
        if self._pulls is None or self.weights is not weights or self.centres is not centres:
            self.weights = weights
            self.centres = centres
            steps = self._pulls.steps if self._pulls else 0
            self._pulls = _Pulls(model, weights, centres)
            self._pulls.steps = steps
        return _HalfSquare.apply(loss, strength, constant, self._pulls, *self._pulls.parameters)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every trainable parameter."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def zeros(model: nn.Module) -> dict[str, Tensor]:
    """A zero for every entry of every trainable parameter."""
    return {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.requires_grad}


def fit(values: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Pad the values of parameters that have grown with zeros; drop those of removed parameters."""
    shapes = {name: p.shape for name, p in model.named_parameters()}
    return {
        name: value if value.shape == shapes[name] else _widen(value, shapes[name])
        for name, value in values.items()
        if name in shapes
    }


def _widen(value: Tensor, shape: torch.Size) -> Tensor:
    wide = value.new_zeros(shape)
    wide[tuple(slice(length) for length in value.shape)] = value
    return wide


class _Pulls:
    """The gradients of the penalty, with what does not change during an experience.

    Attributes:
        parameters: Those with a penalty.
        steps: Calls of `compute` in the run.
        still: On a GPU, whether the penalty of each parameter is 0, see `still`.
    """

    def __init__(
        self, model: nn.Module, weights: Mapping[str, Tensor], centres: Mapping[str, Tensor]
    ) -> None:
        named = {name: p for name, p in model.named_parameters() if name in weights}
        self.parameters: list[Tensor] = list(named.values())
        self._centres = [centres[name] for name in named]
        self._weights = [weights[name] for name in named]
        self._kind = reduce(torch.promote_types, [p.dtype for p in self.parameters])
        self._rows: Rows | None = None
        self.steps = 0
        on_cpu = all(parameter.is_cpu for parameter in self.parameters)
        self.still = None if on_cpu else still(self.parameters, self._centres, self._weights)

    def compute(self, strength: float, constant: float = 0.0) -> tuple[list[Tensor | None], Tensor]:
        """`strength * weight * (parameter - centre)` of each parameter; penalty plus constant."""
        made, sums = self._computed(strength)
        if self.still is None:
            totals = sums.tolist()
            has_moved = [total != 0 for total in totals]
            value = 0.5 * strength * sum(totals) + constant
            penalty = torch.full((), value, dtype=self._kind)
        else:
            has_moved = [not rests for rests in self.still]
            penalty = 0.5 * strength * sums.sum() + constant
        pairs = zip(made, has_moved, strict=True)
        return [pull if moved else None for pull, moved in pairs], penalty

    def _computed(self, strength: float) -> tuple[list[Tensor], Any]:
        """All gradients, and each parameter's `weight * (parameter - centre)^2`, in an array."""
        self.steps += 1
        if self._rows is None and fits(
            self.steps, chain(self.parameters, self._centres, self._weights)
        ):
            sums = sums_of_blocks(self.parameters)
            columns = (self.parameters, self._centres, self._weights, self.parameters)
            self._rows = Rows("pulls", (*columns, list(sums)))
            self._sums = sums.numpy()  # for a few numbers, torch's operations take thrice as long
        if self._rows is None or not are_dense(self.parameters, self._rows.kind):
            held = [parameter.detach() for parameter in self.parameters]
            return plain_pulls(held, self._centres, self._weights, strength)
        made = [torch.empty_like(parameter) for parameter in self.parameters]
        self._rows.run(strength, {0: self.parameters, 3: made})
        return made, self._sums.sum(1)


def plain_pulls(
    parameters: list[Tensor],
    centres: list[Tensor],
    weights: list[Tensor],
    strength: float,
) -> tuple[list[Tensor], Tensor]:
    """What the compiled loop does: `strength F (w - w*)`, and `F (w - w*)^2` of each parameter."""
    offsets = torch._foreach_sub(parameters, centres)
    made = list(torch._foreach_mul(offsets, weights))
    pairs = zip(made, offsets, strict=True)
    sums = torch.stack([torch.dot(pull.flatten(), offset.flatten()) for pull, offset in pairs])
    # a factor of the parameters' own type: bfloat16 rounds it first
    factor = torch.full((), strength, dtype=sums.dtype, device=sums.device)
    torch._foreach_mul_(made, factor)
    return made, sums


def still(parameters: list[Tensor], centres: list[Tensor], weights: list[Tensor]) -> list[bool]:
    """Whether each parameter has a penalty of 0; False from its first gradient on.

    Without a weight above 0 the penalty stays 0. Reads the device once.
    """
    held = [parameter.detach() for parameter in parameters]
    _, sums = plain_pulls(held, centres, weights, 1.0)
    matters = torch.stack([weight.any() for weight in weights]).tolist()
    rests = [total == 0 for total in sums.tolist()]
    for position, parameter in enumerate(parameters):
        if rests[position] and matters[position]:
            _clear_at_first_gradient(rests, position, parameter)
    return rests


def _clear_at_first_gradient(rests: list[bool], position: int, parameter: Tensor) -> None:
    def clear(gradient: Tensor) -> None:
        rests[position] = False
        handle.remove()

    handle = parameter.register_hook(clear)


class _HalfSquare(torch.autograd.Function):
    # autograd's own formula would walk a graph for every parameter, at three times the cost; an
    # addition outside would be a step of its own, forwards and backwards

    @staticmethod
    def forward(
        ctx: Any,
        loss: Tensor,
        strength: float,
        constant: float,
        pulls: _Pulls,
        *parameters: Tensor,
    ) -> Tensor:
        # strength / 2 sum F (w - w*)^2, whose gradient is strength F (w - w*)
        ctx.again = partial(pulls.compute, strength)
        ctx.made, penalty = pulls.compute(strength, constant)
        return loss + penalty

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # handed over, not kept: autograd then adds the gradients of the loss to them in place
        made = ctx.made or ctx.again()[0]
        ctx.made = None
        # a test on a GPU would let the host wait
        if not gradient.is_cpu or gradient.item() != 1:
            made = [None if pull is None else pull * gradient for pull in made]
        return (gradient, None, None, None, *made)
