"""Fully connected layers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from nanocl.models._weights import load_weights


class MLP(nn.Module):
    """Fully connected layers with ReLU; by default the usual network for Split-MNIST.

    Args:
        inputs: Input shape without the batch dimension; inputs are flattened.
        width: Units per layer, at least 1.
        depth: Number of layers, at least 1.
        weights: File with a state dict to start from.

    Source: Hsu, Liu, Ramasamy and Kira, 2018, arXiv:1810.12488, section 4.1; the same network in
        van de Ven and Tolias, 2019, arXiv:1904.07734, section 4.2.
    """

    citation: ClassVar[str] = """@misc{hsu2018re,
  title = {Re-evaluating Continual Learning Scenarios:
    A Categorization and Case for Strong Baselines},
  author = {Hsu, Yen-Chang and Liu, Yen-Cheng and Ramasamy, Anita and Kira, Zsolt},
  year = {2018},
  eprint = {1810.12488},
  archiveprefix = {arXiv}
}"""
    version: ClassVar[int] = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        *,
        width: int = 400,
        depth: int = 2,
        weights: str = "",
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("depth", depth)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        sizes = [math.prod(inputs), *[width] * depth]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.features = width
        load_weights(self, weights)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(inputs.flatten(1))
