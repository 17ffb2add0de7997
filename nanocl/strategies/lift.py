"""LIFT: Adam on the weights that are largest after a low-rank approximation."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl import optim
from nanocl.libraries.groups import DENSE, dense_groups
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy


class LIFT(Strategy):
    """Adam on the weights that are largest after a low-rank approximation of their layer (nanocl.optim.LIFT).

    Args:
        lr: Learning rate, above 0.
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        density: Share of each tensor that is trained, in [0, 1]; 0 trains the dense layers alone.
        rank: Rank of the approximation if it is 1 or more, else its share of the matrix's shorter
            side.
        mask_interval: Steps from one selection to the next.
        chunk_size: Entries of a chunk that gives its own share; None is the whole tensor, as in the
            paper.
        moment_policy: What a selection does to the moments: `keep`, `carry` or `reset`.
        decay_scope: Weights that weight decay shrinks: `selected` or `all`.
        beta1, beta2, eps, weight_decay, state_dtype, seed, weight_rounding, fused: See
            `nanocl.optim.LIFT`.

    Source: Liu et al., 2025, arXiv:2506.00772, and the authors' code; norms and output layer are
        dense here, as for the other sparse optimizers. Other departures are said in
        `nanocl.optim.LIFT`.
    """

    citation: ClassVar[str] = """@inproceedings{liu2025lift,
  title = {{LIFT} the Veil for the Truth: Principal Weights Emerge after Rank Reduction for Reasoning-Focused
    Supervised Fine-Tuning},
  author = {Liu, Zihang and Pang, Tianyu and Balabanov, Oleg and Yang, Chaoqun and Huang, Tianjin and Yin, Lu and
    Yang, Yaoqing and Liu, Shiwei},
  booktitle = {International Conference on Machine Learning},
  year = {2025},
  eprint = {2506.00772},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        dense_lr: float | None = None,
        dense: str = "norms+head",
        density: float = 0.05,
        rank: float = 0.03125,
        mask_interval: int = 400,
        chunk_size: int | None = None,
        moment_policy: str = "keep",
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
            "rank": number("rank", rank, 0, above=True),
            "mask_interval": mask_interval,
            "chunk_size": chunk_size,
            "moment_policy": moment_policy,
            "decay_scope": decay_scope,
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
            "fused": fused,
        }
        optim.LIFT([torch.zeros(1)], **self.options)  # its own checks speak before a model exists

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return optim.LIFT(dense_groups(model, self.dense, self.dense_lr), **self.options)
