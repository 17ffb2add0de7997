"""PaFi: Adam on the smallest weights of the whole network, chosen once."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl import optim
from nanocl.libraries.groups import DENSE, dense_groups
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy


class PaFi(Strategy):
    """Adam on the smallest weights of the whole network as it was before the first step (nanocl.optim.PaFi).

    One threshold holds for all layers but the dense ones; `nanoadam` with `select=static-small` has
    one for each.

    Args:
        lr: Learning rate, above 0.
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        density: Share of all other weights that is trained, in [0, 1]; 0 trains the dense layers
            alone.
        decay_scope: Weights that weight decay shrinks: `selected` or `all`.
        beta1, beta2, eps, weight_decay, state_dtype, seed, weight_rounding, fused: See
            `nanocl.optim.PaFi`.

    Source: Liao, Meng and Monz, 2023, arXiv:2305.16742; norms and output layer are dense here, as
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

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        dense_lr: float | None = None,
        dense: str = "norms+head",
        density: float = 0.1,
        decay_scope: str = "selected",
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
            "decay_scope": decay_scope,
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
            "fused": fused,
        }
        optim.PaFi([torch.zeros(1)], **self.options)  # its own checks speak before a model exists

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return optim.PaFi(dense_groups(model, self.dense, self.dense_lr), **self.options)
