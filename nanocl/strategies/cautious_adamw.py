"""AdamW with cautious weight decay."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from nanocl import optim
from nanocl.records import Option
from nanocl.strategies import Strategy
from nanocl.strategies._optimizer import checked


class CautiousAdamW(Strategy):
    """AdamW that decays only the weights that the update moves towards zero.

    Args:
        options: Those of `nanocl.optim.CautiousAdamW`.

    Source: Chen et al., 2025, arXiv:2510.12402, on AdamW.
    """

    citation: ClassVar[str] = """@misc{chen2025cautious,
  title = {Cautious Weight Decay},
  author = {Chen, Lizhang and Li, Jonathan and Liang, Kaizhao and Su, Baiyu and Xie, Cong and
    Pierse, Nuo Wang and Liang, Chen and Lao, Ni and Liu, Qiang},
  year = {2025},
  eprint = {2510.12402},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.CautiousAdamW
    search_space = {"lr": (0.0001, 0.032)}

    def __init__(self, **options: Option) -> None:
        super().__init__()
        self.options = checked(self.optimizer_class, options)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        return self.optimizer_class(model.parameters(), **self.options)
