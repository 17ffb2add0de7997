"""AdamW with a separate learning rate for the layers that sparse optimizers train densely."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl.optim.groups import DENSE, layer_groups
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy


class AdamWDense(Strategy):
    """AdamW with its own learning rate for normalisation and output layers.

    A control for sparse optimizers, which train these layers densely with a larger learning rate.

    Args:
        lr: Learning rate of all other weights, at least 0.
        dense_lr: Learning rate of the dense layers, at least 0.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        beta1, beta2, eps, weight_decay: As in `adamw`.

    Source: Loshchilov and Hutter, 2019, arXiv:1711.05101, Algorithm 2; the split is that of
        NanoAdam, Zhou et al., 2025, arXiv:2506.21374, appendix J.
    """

    citation: ClassVar[str] = """@inproceedings{loshchilov2019decoupled,
  title = {Decoupled Weight Decay Regularization},
  author = {Loshchilov, Ilya and Hutter, Frank},
  booktitle = {International Conference on Learning Representations},
  year = {2019},
  eprint = {1711.05101},
  archiveprefix = {arXiv}
}"""

    version = 2  # fused since 2: other last bits
    search_space = {"lr": (0.0001, 0.032)}

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        dense_lr: float = 1e-2,
        dense: str = "norms+head",
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        self.lr = number("lr", lr, 0)
        self.dense_lr = number("dense_lr", dense_lr, 0)
        self.dense = one_of("dense", dense, DENSE)
        self.beta1 = number("beta1", beta1, 0, 1, below=True)
        self.beta2 = number("beta2", beta2, 0, 1, below=True)
        self.eps = number("eps", eps, 0)
        self.weight_decay = number("weight_decay", weight_decay, 0)

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        groups = layer_groups(model, self.dense, {"lr": self.dense_lr})
        return torch.optim.AdamW(
            groups,
            lr=self.lr,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )
