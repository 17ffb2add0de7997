"""Fully connected layers whose weights and biases begin with normally distributed values."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from nanocl.models.mlp import MLP


class NormalMLP(nn.Module):
    """The layers of the model `mlp`; weights and biases, also of its output layer, are N(0, s^2).

    Args:
        inputs: Input shape without the batch dimension; inputs are flattened.
        width: Units per layer, at least 1.
        depth: Number of layers, at least 1.
        deviation: Standard deviation s, above 0.

    Source: Ashley, Ghiassian and Sutton, 2021, arXiv:2102.07686, with width 100, depth 1
        and deviation 0.1.
    """

    citation: ClassVar[str] = """@misc{ashley2021does,
  title = {Does the {Adam} Optimizer Exacerbate Catastrophic Forgetting?},
  author = {Ashley, Dylan R. and Ghiassian, Sina and Sutton, Richard S.},
  year = {2021},
  eprint = {2102.07686},
  archiveprefix = {arXiv}
}"""
    version: ClassVar[int] = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        *,
        width: int = 100,
        depth: int = 1,
        deviation: float = 0.1,
    ) -> None:
        super().__init__()
        if deviation <= 0:
            raise ValueError(f"deviation must be above 0, got {deviation}")
        self.deviation = deviation
        self.mlp = MLP(inputs, width=width, depth=depth)
        self.features = width
        self._draw(self.mlp)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.mlp(inputs)

    def make_head(self, outputs: int) -> nn.Linear:
        """An output layer with as many outputs, drawn alike."""
        head = nn.Linear(self.features, outputs)
        self._draw(head)
        return head

    def _draw(self, module: nn.Module) -> None:
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=self.deviation)
