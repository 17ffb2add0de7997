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
    """Adam that moves only the weights of largest momentum in each tensor and step (nanocl.optim.MoFO).

    Args:
        lr: Learning rate, above 0.
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        density: Share of each tensor that moves in a step, in [0, 1]; 0 trains the dense layers
            alone.
        chunk_size: Entries of a chunk that gives its own share; None is the whole tensor, as in the
            paper.
        decay_scope: Weights that weight decay shrinks: `all` or `selected`.
        beta1, beta2, eps, weight_decay, state_dtype, seed, weight_rounding, fused: See
            `nanocl.optim.MoFO`.

    Source: Chen et al., 2024, arXiv:2407.20999, Algorithm 1. In the authors' code norms and biases
        are dense and the output layer is filtered; here norms and output layer are dense, as for
        the other sparse optimizers. Other departures are said in `nanocl.optim.MoFO`.
    """

    citation: ClassVar[str] = """@article{chen2025mofo,
  title = {{MoFO}: Momentum-Filtered Optimizer for Mitigating Forgetting in {LLM} Fine-Tuning},
  author = {Chen, Yupeng and Wang, Senmiao and Zhang, Yushun and Lin, Zhihang and Zhang, Haozhe and Sun, Weijian and
    Ding, Tian and Sun, Ruoyu},
  journal = {Transactions on Machine Learning Research},
  year = {2025},
  eprint = {2407.20999},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.MoFO

    def __init__(
        self, *, dense_lr: float | None = None, dense: str = "norms+head", **options: Option
    ) -> None:
        super().__init__()
        self.sparse = Sparse(self.optimizer_class, dense_lr, dense, options)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        return self.sparse.make(model)
