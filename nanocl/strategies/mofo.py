"""MoFO: Adam on the weights of largest momentum."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl import optim
from nanocl.libraries.groups import DENSE, dense_groups
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy


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

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        dense_lr: float | None = None,
        dense: str = "norms+head",
        density: float = 0.1,
        chunk_size: int | None = None,
        decay_scope: str = "all",
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        state_dtype: str | None = None,
        seed: int = 0,
        weight_rounding: str = "nearest",
        fused: bool | None = None,
    ) -> None:
        super().__init__()
        self.lr = number("lr", lr, 0, above=True)
        self.dense_lr = self.lr if dense_lr is None else number("dense_lr", dense_lr, 0)
        self.dense = one_of("dense", dense, DENSE)
        self.options = {
            "lr": lr,
            "betas": (
                number("beta1", beta1, 0, 1, below=True),
                number("beta2", beta2, 0, 1, below=True),
            ),
            "eps": number("eps", eps, 0),
            "weight_decay": number("weight_decay", weight_decay, 0),
            "density": number("density", density, 0, 1),
            "chunk_size": chunk_size,
            "decay_scope": decay_scope,
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
            "fused": fused,
        }
        optim.MoFO([torch.zeros(1)], **self.options)  # its own checks speak before a model exists

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return optim.MoFO(dense_groups(model, self.dense, self.dense_lr), **self.options)
