"""CLASSP: Adagrad of any power on the weights whose gradient exceeds a threshold."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from nanocl import optim
from nanocl.optim.groups import DENSE, layer_groups
from nanocl.records import Option
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy
from nanocl.strategies._optimizer import checked


class CLASSP(Strategy):
    """Update weights whose squared gradient exceeds a threshold, less after large past gradients.

    Args:
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers have no threshold: `norms+head`, `norms`, `head` or, as in the paper,
            `none`.
        options: Those of `nanocl.optim.CLASSP`.

    Source: Ludwig, 2024, arXiv:2405.09637, the formula; `nanocl.optim.CLASSP` says where the
        author's code departs from it.
    """

    citation: ClassVar[str] = """@misc{ludwig2024classp,
  title = {{CLASSP}: a Biologically-Inspired Approach to Continual Learning through Adjustment
    Suppression and Sparsity Promotion},
  author = {Ludwig, Oswaldo},
  year = {2024},
  eprint = {2405.09637},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.CLASSP
    search_space = {"lr": (0.001, 0.32)}

    def __init__(
        self,
        *,
        dense_lr: float | None = None,
        dense: str = "none",
        **options: Option,
    ) -> None:
        super().__init__()
        self.options = checked(self.optimizer_class, options)
        self.dense = one_of("dense", dense, DENSE)
        self.dense_lr = number("dense_lr", self.options["lr"] if dense_lr is None else dense_lr, 0)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        without_threshold = {"threshold": 0.0, "lr": self.dense_lr}
        groups = layer_groups(model, self.dense, without_threshold)
        return self.optimizer_class(groups, **self.options)
