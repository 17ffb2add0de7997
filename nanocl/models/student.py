"""The student network of the teacher-student stream."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class Student(nn.Module):
    """Hidden layer max(0, W x) of a two-layer network without biases.

    `make_head` returns the output layer. The initial weights are symmetric, so that the network's
    output is 0: neuron i + hidden/2 has the input weights of neuron i and the opposite output
    weight. All weights are normal with standard deviation `init_scale / sqrt(hidden)`.

    Args:
        inputs: (features,).
        hidden: Number of neurons, even, at least 2.
        init_scale: Scale of the initial weights, above 0; the paper uses 1.

    Source: Zhou et al., 2025, arXiv:2506.21374, section 2. The paper does not say that input
        weights are duplicated too; this follows from the scheme of Chizat, Oyallon and Bach, 2019,
        arXiv:1812.07956, which it cites.
    """

    citation: ClassVar[str] = """@inproceedings{zhou2025pay,
  title = {Pay Attention to Small Weights},
  author = {Zhou, Chao and Jacobs, Tom and Gadhikar, Advait and Burkholz, Rebekka},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2025},
  eprint = {2506.21374},
  archiveprefix = {arXiv}
}"""
    version: ClassVar[int] = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        *,
        hidden: int = 20,
        init_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if hidden < 2 or hidden % 2:
            raise ValueError(f"hidden must be even and at least 2, got {hidden}")
        if not init_scale > 0:
            raise ValueError(f"init_scale must be above 0, got {init_scale}")
        if len(inputs) != 1:
            raise ValueError(f"inputs must be (features,), got {tuple(inputs)}")
        self.features = hidden
        self.deviation = init_scale * hidden**-0.5
        self.layer = nn.Linear(inputs[0], hidden, bias=False)
        self._start(self.layer.weight, mirror=1)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.layer(inputs))

    def make_head(self, outputs: int) -> nn.Linear:
        """The output weights a, shape (outputs, hidden), without bias."""
        head = nn.Linear(self.features, outputs, bias=False)
        self._start(head.weight.T, mirror=-1)
        return head

    @torch.no_grad()
    def _start(self, weight: Tensor, mirror: int) -> None:
        """Draw half of the rows; the other half is their copy times `mirror`."""
        half = torch.randn(self.features // 2, weight.shape[1]) * self.deviation
        weight.copy_(torch.cat([half, mirror * half]))
