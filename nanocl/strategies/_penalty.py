"""The quadratic pull towards earlier weights, for all parameters in a few fused operations."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def half_square(
    model: nn.Module, weights: Mapping[str, Tensor], centres: Mapping[str, Tensor]
) -> Tensor:
    """`1/2 * sum of weight * (parameter - centre)^2` over the parameters named in `weights`, a scalar."""
    held = [
        (p, weights[name], centres[name]) for name, p in model.named_parameters() if name in weights
    ]
    parameters, weight, centre = zip(*held, strict=True)
    return _HalfSquare.apply(weight, centre, *parameters)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every trainable parameter."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def zeros(model: nn.Module) -> dict[str, Tensor]:
    """A zero for every entry of every trainable parameter."""
    return {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.requires_grad}


def fit(held: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Widen what is held for a parameter that has grown since; its new entries are zero."""
    shapes = {name: p.shape for name, p in model.named_parameters()}
    return {
        name: value if value.shape == shapes[name] else _widen(value, shapes[name])
        for name, value in held.items()
        if name in shapes
    }


def _widen(value: Tensor, shape: torch.Size) -> Tensor:
    wide = value.new_zeros(shape)
    wide[tuple(slice(length) for length in value.shape)] = value
    return wide


class _HalfSquare(torch.autograd.Function):
    # autograd's own formula would walk a graph for every parameter, at three times the cost

    @staticmethod
    def forward(ctx, weights, centres, *parameters):
        offsets = torch._foreach_sub(parameters, centres)
        ctx.pulls = torch._foreach_mul(offsets, weights)
        terms = torch.stack(
            [torch.dot(a.flatten(), b.flatten()) for a, b in zip(ctx.pulls, offsets, strict=True)]
        )
        ctx.moved = [term != 0 for term in terms.tolist()]
        return 0.5 * terms.sum()

    @staticmethod
    def backward(ctx, gradient):
        pulls = torch._foreach_mul(ctx.pulls, gradient)
        # no gradient is not a zero gradient: a head that nothing uses must not follow its old
        # momentum
        return (
            None,
            None,
            *(pull if moved else None for pull, moved in zip(pulls, ctx.moved, strict=True)),
        )
