"""MoFO: Adam on the weights of largest momentum."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from nanocl import optim
from nanocl.records import Option
from nanocl.strategies import Strategy
from nanocl.strategies._optimizer import Sparse


class MoFO(Strategy):
    """Adam that moves only the weights of largest momentum in each tensor and step.

    Args:
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        options: Those of `nanocl.optim.MoFO`.

    Source: Chen et al., 2024, arXiv:2407.20999, Algorithm 1. In the authors' code norms and biases
        are dense and the output layer is filtered; here norms and output layer are dense, as for
        the other sparse optimizers. `nanocl.optim.MoFO` lists other departures.
    """

    citation: ClassVar[str] = """@article{chen2025mofo,
  title = {{MoFO}: Momentum-Filtered Optimizer for Mitigating Forgetting in {LLM} Fine-Tuning},
  author = {Chen, Yupeng and Wang, Senmiao and Zhang, Yushun and Lin, Zhihang and Zhang, Haozhe and
    Sun, Weijian and Ding, Tian and Sun, Ruoyu},
  journal = {Transactions on Machine Learning Research},
  year = {2025},
  eprint = {2407.20999},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.MoFO
    search_space = {"lr": (0.0001, 0.032)}

    def __init__(
        self,
        *,
        dense_lr: float | None = None,
        dense: str = "norms+head",
        **options: Option,
    ) -> None:
        super().__init__()
        self.sparse = Sparse(self.optimizer_class, dense_lr, dense, options)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        return self.sparse.make(model)
