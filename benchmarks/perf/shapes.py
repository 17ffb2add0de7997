"""The sets of parameter shapes on which optimizers are timed: even tensors, real architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from nanocl.footprint import models
from nanocl.footprint.architectures import BUNDLED, Weight, from_config

DENSE = ("norm", "head")  # the layers that NanoAdam's paper trains densely


def even(total: int, tensors: int = 10) -> tuple[Weight, ...]:
    """Matrices with about `total` entries together.

    They have 1024 columns, because some 8-bit states need whole blocks.
    """
    return tuple(
        Weight(f"weight{i}", (round(total / tensors / 1024), 1024)) for i in range(tensors)
    )


SETS: Mapping[str, Callable[[], tuple[Weight, ...]]] = {
    "10k": lambda: even(10_000),
    "90k": lambda: even(90_000),
    "478k": lambda: even(478_000),  # as many as the MLP of Split MNIST
    "1M": lambda: even(1_000_000),
    "5M": lambda: even(5_000_000),
    "20M": lambda: even(20_000_000),
    "100M": lambda: even(100_000_000),
    "resnet-18": lambda: models.weights_of("torchvision:resnet18"),
    "vit-b-16": lambda: from_config(
        {
            **BUNDLED["vit-l-16"],
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "intermediate_size": 3072,
        }
    ),
    "bert-base": lambda: from_config(BUNDLED["bert-base"]),
}


def parameters(name: str, device: str) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters with gradients: the bulk, and norms and head."""
    # of the magnitude of weights and gradients in training
    generator = torch.Generator(device).manual_seed(0)
    parts: tuple[list[nn.Parameter], list[nn.Parameter]] = [], []
    for weight in SETS[name]():
        param = nn.Parameter(torch.randn(weight.shape, generator=generator, device=device) * 0.02)
        param.grad = torch.randn(weight.shape, generator=generator, device=device) * 0.001
        parts[weight.role in DENSE].append(param)
    return parts
