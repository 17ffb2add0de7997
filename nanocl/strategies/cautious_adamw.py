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
    """AdamW that decays only the weights that the update moves towards zero (nanocl.optim.CautiousAdamW).

    Args:
        lr: Learning rate, above 0.
        beta1, beta2: Decay of the first and the second moment, in [0, 1).
        eps: Added to the root of the second moment, at least 0.
        weight_decay: Each step shrinks such weights by the factor 1 - lr * weight_decay; at least
            0.
        state_dtype, seed, weight_rounding, fused: See `nanocl.optim.CautiousAdamW`.

    Source: Chen et al., 2025, arXiv:2510.12402, on AdamW.
    """

    citation: ClassVar[str] = """@misc{chen2025cautious,
  title = {Cautious Weight Decay},
  author = {Chen, Lizhang and Li, Jonathan and Liang, Kaizhao and Su, Baiyu and Xie, Cong and Pierse, Nuo Wang and
    Liang, Chen and Lao, Ni and Liu, Qiang},
  year = {2025},
  eprint = {2510.12402},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.CautiousAdamW

    def __init__(self, **options: Option) -> None:
        super().__init__()
        self.options = checked(self.optimizer_class, options)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        return self.optimizer_class(model.parameters(), **self.options)
