"""Adagrad."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl.libraries.restart import restart_when_emptied
from nanocl.records.ranges import number
from nanocl.strategies import Strategy


class Adagrad(Strategy):
    """Adagrad: smaller steps where past gradients were large (torch.optim.Adagrad).

    Args:
        lr: Learning rate, above 0.
        lr_decay: Further decay of the learning rate by 1 / (1 + step * lr_decay), at least 0.
        eps: Added to the root of the summed squares, at least 0.
        weight_decay: L2 penalty, at least 0.

    Source: Duchi, Hazan and Singer, 2011, Journal of Machine Learning Research 12, 2121-2159
        (diagonal form).
    """

    citation: ClassVar[str] = """@article{duchi2011adaptive,
  title = {Adaptive Subgradient Methods for Online Learning and Stochastic Optimization},
  author = {Duchi, John and Hazan, Elad and Singer, Yoram},
  journal = {Journal of Machine Learning Research},
  volume = {12},
  pages = {2121--2159},
  year = {2011}
}"""

    version = 2  # fused since 2: other last bits
    optimizer_class = torch.optim.Adagrad
    search_space = {"lr": (0.001, 0.32)}

    def __init__(
        self,
        *,
        lr: float = 0.01,
        lr_decay: float = 0.0,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.lr = number("lr", lr, 0, above=True)
        self.lr_decay = number("lr_decay", lr_decay, 0)
        self.eps = number("eps", eps, 0)
        self.weight_decay = number("weight_decay", weight_decay, 0)

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        optimizer = self._make(model)
        # older versions of torch make the sums in the constructor only, and Avalanche removes them
        restart_when_emptied(optimizer, lambda: self._make(model))
        return optimizer

    def _make(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        weights = list(model.parameters())
        return self.optimizer_class(
            weights,
            lr=self.lr,
            lr_decay=self.lr_decay,
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=all(weight.is_cpu for weight in weights),  # torch has it for the CPU only
        )
