"""Backbones with fixed weights, for tests of models."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def parameters(*modules: nn.Module) -> int:
    """Number of parameters in all modules."""
    return sum(p.numel() for module in modules for p in module.parameters())


def seeded(make: Callable, inputs: tuple[int, ...] | None, seed: int = 0) -> nn.Module:
    """A model whose initial weights are drawn with `seed`."""
    torch.manual_seed(seed)
    return make(inputs)


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's state."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two states are equal."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
