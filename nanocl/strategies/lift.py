"""LIFT: Adam on the weights that are largest after a low-rank approximation."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from nanocl import optim
from nanocl.records import Option
from nanocl.strategies import Strategy
from nanocl.strategies._optimizer import Sparse


class LIFT(Strategy):
    """Adam on the weights that are largest after low-rank approximation of their layer.

    Args:
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        options: Those of `nanocl.optim.LIFT`.

    Source: Liu et al., 2025, arXiv:2506.00772, and the authors' code. Norms and output layer are
        dense here, as for the other sparse optimizers. `nanocl.optim.LIFT` lists other departures.
    """

    citation: ClassVar[str] = """@inproceedings{liu2025lift,
  title = {{LIFT} the Veil for the Truth: Principal Weights Emerge after Rank Reduction for
    Reasoning-Focused Supervised Fine-Tuning},
  author = {Liu, Zihang and Pang, Tianyu and Balabanov, Oleg and Yang, Chaoqun and Huang, Tianjin
    and Yin, Lu and Yang, Yaoqing and Liu, Shiwei},
  booktitle = {International Conference on Machine Learning},
  year = {2025},
  eprint = {2506.00772},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.LIFT
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
