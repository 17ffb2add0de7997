"""Bytes in the state of real optimizers on real networks."""

import torch
from torch import nn

from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue
from nanocl.training.heads import Network


def network(name: str, inputs: tuple[int, ...], outputs: int, **options: object) -> nn.Module:
    """A model as a run builds it, with data."""
    part = Catalogue().complete("models", name, options)
    backbone = catalogue.load(Catalogue().plugin("models", name))(inputs, **part.options)
    return Network(backbone, outputs=outputs)


def counted_each(optimizer: torch.optim.Optimizer) -> list[int]:
    """Bytes of the state tensors of each parameter after two random gradients."""
    params = [param for group in optimizer.param_groups for param in group["params"]]
    for _ in range(2):
        for param in params:
            param.grad = torch.randn_like(param)
        optimizer.step()
    return [_bytes(optimizer.state.get(param, {})) for param in params]


def counted(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of all state tensors of a real optimizer."""
    return sum(counted_each(optimizer))


def _bytes(state: dict) -> int:
    tensors = filter(torch.is_tensor, state.values())
    return sum(value.numel() * value.element_size() for value in tensors)
