"""NanoAdam: Adam on the smallest weights."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from nanocl import optim
from nanocl.records import Option
from nanocl.strategies import Strategy
from nanocl.strategies._optimizer import Sparse


class NanoAdam(Strategy):
    """Adam on the smallest weights of each layer; other weights do not change at all.

    Normalisation layers and the output layer are trained densely, as in the paper.

    Args:
        dense_lr: Learning rate of the dense layers; None is `lr`, as in the paper.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        options: Those of `nanocl.optim.NanoAdam`.

    Source: Zhou, Jacobs, Gadhikar and Burkholz, 2025, arXiv:2506.21374, Algorithm 1;
        `nanocl.optim.NanoAdam` says what the paper leaves open.
    """

    citation: ClassVar[str] = """@inproceedings{zhou2025pay,
  title = {Pay Attention to Small Weights},
  author = {Zhou, Chao and Jacobs, Tom and Gadhikar, Advait and Burkholz, Rebekka},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2025},
  eprint = {2506.21374},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.NanoAdam
    search_space = {"lr": (0.0001, 0.032)}
    hidden_options = ("capturable",)  # where steps are counted; it changes no number

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
