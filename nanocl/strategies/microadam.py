"""MicroAdam: Adam from a window of sparse gradients."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from nanocl import optim
from nanocl.records import Option
from nanocl.strategies import Strategy
from nanocl.strategies._optimizer import checked


class MicroAdam(Strategy):
    """Adam from a window of sparse gradients with 4-bit error feedback.

    Every layer is sparse, as in the authors' kernels.

    Args:
        options: Those of `nanocl.optim.MicroAdam`.

    Source: Modoranu et al., 2024, arXiv:2405.15593, Algorithm 1; `nanocl.optim.MicroAdam` lists the
        departures.
    """

    citation: ClassVar[str] = """@inproceedings{modoranu2024microadam,
  title = {MicroAdam: Accurate Adaptive Optimization with Low Space Overhead and Provable
    Convergence},
  author = {Modoranu, Ionut-Vlad and Safaryan, Mher and Malinovsky, Grigory and Kurtic, Eldar and
    Robert, Thomas and Richtarik, Peter and Alistarh, Dan},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2024},
  eprint = {2405.15593},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.MicroAdam
    search_space = {"lr": (0.0001, 0.032)}

    def __init__(self, **options: Option) -> None:
        super().__init__()
        self.options = checked(self.optimizer_class, options)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        return self.optimizer_class(model.parameters(), **self.options)
