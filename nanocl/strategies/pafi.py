"""PaFi: Adam on the smallest weights of the whole network, chosen once."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from nanocl import optim
from nanocl.records import Option
from nanocl.strategies import Strategy
from nanocl.strategies._optimizer import Sparse


class PaFi(Strategy):
    """Adam on the smallest weights of the whole network before its first step.

    One threshold holds for all layers but the dense ones; `nanoadam` with `select=static-small` has
    one for each layer.

    Args:
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        options: Those of `nanocl.optim.PaFi`, without `chunk_size`.

    Source: Liao, Meng and Monz, 2023, arXiv:2305.16742. Norms and output layer are dense here, as
        for the other sparse optimizers.
    """

    citation: ClassVar[str] = """@inproceedings{liao2023parameter,
  title = {Parameter-Efficient Fine-Tuning without Introducing New Latency},
  author = {Liao, Baohao and Meng, Yan and Monz, Christof},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year = {2023},
  eprint = {2305.16742},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.PaFi
    search_space = {"lr": (0.0001, 0.032)}
    hidden_options = ("chunk_size",)  # the layout of the state; it changes no number

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
