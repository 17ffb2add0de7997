"""The quadratic penalty of EWC and SI, for all parameters in a few fused operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def half_square(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    centres: Mapping[str, Tensor],
) -> Tensor:
    """The scalar `1/2 * sum of weight * (parameter - centre)^2`.

    Args:
        model: Has the parameters.
        weights: Parameter name to a weight for each entry; other parameters have no penalty.
        centres: Parameter name to the values without penalty.
    """
    terms = [
        (p, weights[name], centres[name]) for name, p in model.named_parameters() if name in weights
    ]
    parameters, weight, centre = zip(*terms, strict=True)
    return _HalfSquare.apply(weight, centre, *parameters)


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


class _HalfSquare(torch.autograd.Function):
    # autograd's own formula would walk a graph for every parameter, at three times the cost

    @staticmethod
    def forward(
        ctx: Any,
        weights: tuple[Tensor, ...],
        centres: tuple[Tensor, ...],
        *parameters: Tensor,
    ) -> Tensor:
        # 1/2 sum F (w - w*)^2, a dot product of the pull F (w - w*) and the offset for each tensor
        offsets = torch._foreach_sub(parameters, centres)
        ctx.pulls = torch._foreach_mul(offsets, weights)
        terms = torch.stack(
            [torch.dot(a.flatten(), b.flatten()) for a, b in zip(ctx.pulls, offsets, strict=True)]
        )
        ctx.moved = [term != 0 for term in terms.tolist()]
        return 0.5 * terms.sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # the gradient is F (w - w*)
        pulls = torch._foreach_mul(ctx.pulls, gradient)
        # None instead of zeros: with zeros the optimizer would move an unused head by its momentum
        moved = zip(pulls, ctx.moved, strict=True)
        return (None, None, *(pull if has_moved else None for pull, has_moved in moved))
