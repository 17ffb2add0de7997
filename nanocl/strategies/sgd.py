"""Stochastic gradient descent."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl.records.ranges import number
from nanocl.strategies import Strategy


class SGD(Strategy):
    """Stochastic gradient descent, optionally with momentum (torch.optim.SGD).

    Args:
        lr: Learning rate, above 0.
        momentum: Factor of the previous update, in [0, 1).
        weight_decay: L2 penalty, at least 0.
        nesterov: Whether the momentum is Nesterov's; needs a momentum above 0.

    Source: Robbins and Monro, 1951, doi:10.1214/aoms/1177729586; momentum as in Sutskever et al.,
        2013.
    """

    citation: ClassVar[str] = """@article{robbins1951stochastic,
  title = {A Stochastic Approximation Method},
  author = {Robbins, Herbert and Monro, Sutton},
  journal = {The Annals of Mathematical Statistics},
  volume = {22},
  number = {3},
  pages = {400--407},
  year = {1951},
  doi = {10.1214/aoms/1177729586}
}"""

    optimizer_class = torch.optim.SGD
    search_space = {"lr": (0.001, 0.32)}

    def __init__(
        self,
        *,
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__()
        self.lr = number("lr", lr, 0, above=True)
        self.momentum = number("momentum", momentum, 0, 1, below=True)
        self.weight_decay = number("weight_decay", weight_decay, 0)
        if nesterov and not momentum:
            raise ValueError("momentum must be in (0, 1) with nesterov=True, got 0.0")
        self.nesterov = nesterov

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return self.optimizer_class(
            model.parameters(),
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
        )
