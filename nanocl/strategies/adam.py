"""Adam."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl.records.ranges import number
from nanocl.strategies import Strategy


class Adam(Strategy):
    """Adam (torch.optim.Adam).

    Args:
        lr: Learning rate, above 0.
        beta1, beta2: Decay of the first and the second moment, in [0, 1).
        eps: Added to the root of the second moment, at least 0.
        weight_decay: L2 penalty, at least 0; it passes through the moments (see `adamw`).

    Source: Kingma and Ba, 2015, arXiv:1412.6980, Algorithm 1.
    """

    citation: ClassVar[str] = """@inproceedings{kingma2015adam,
  title = {Adam: A Method for Stochastic Optimization},
  author = {Kingma, Diederik P. and Ba, Jimmy},
  booktitle = {International Conference on Learning Representations},
  year = {2015},
  eprint = {1412.6980},
  archiveprefix = {arXiv}
}"""

    version = 2  # fused since 2: other last bits
    optimizer_class = torch.optim.Adam
    search_space = {"lr": (0.0001, 0.032)}

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.lr = number("lr", lr, 0, above=True)
        self.beta1 = number("beta1", beta1, 0, 1, below=True)
        self.beta2 = number("beta2", beta2, 0, 1, below=True)
        self.eps = number("eps", eps, 0)
        self.weight_decay = number("weight_decay", weight_decay, 0)

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return self.optimizer_class(
            model.parameters(),
            lr=self.lr,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )
