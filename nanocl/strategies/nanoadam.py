"""NanoAdam: Adam on the smallest weights."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl import optim
from nanocl.libraries.groups import DENSE, dense_groups
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy


class NanoAdam(Strategy):
    """Adam on the smallest weights of each layer; the others keep every bit (nanocl.optim.NanoAdam).

    Normalisation layers and the output layer are trained densely, as in the paper.

    Args:
        lr: Learning rate, above 0.
        dense_lr: Learning rate of the dense layers; None is `lr`, as in the paper.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        density: Share of each chunk that is trained, in [0, 1]; 0 trains the dense layers alone.
        final_density, total_steps: Density after so many optimizer steps, reached linearly; None
            keeps `density`.
        mask_interval: Steps from one selection to the next.
        density_interval: Steps from one look at the density schedule to the next; None is
            `mask_interval`.
        chunk_size: Entries of a chunk; None is the whole tensor.
        select: `small`, or one of the controls `large`, `random`, `gradient`, `static-small`.
        moment_policy: What a selection does to the moments: `carry`, `reset` or `slot`.
        decay_scope: Weights that weight decay shrinks: `selected` or `all`.
        beta1, beta2, eps, weight_decay, state_dtype, seed, weight_rounding, fused: See
            `nanocl.optim.NanoAdam`.

    Source: Zhou, Jacobs, Gadhikar and Burkholz, 2025, arXiv:2506.21374, Algorithm 1; what the paper
        leaves open is said in `nanocl.optim.NanoAdam`.
    """

    citation: ClassVar[str] = """@inproceedings{zhou2025pay,
  title = {Pay Attention to Small Weights},
  author = {Zhou, Chao and Jacobs, Tom and Gadhikar, Advait and Burkholz, Rebekka},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2025},
  eprint = {2506.21374},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        dense_lr: float | None = None,
        dense: str = "norms+head",
        density: float = 0.1,
        final_density: float | None = None,
        total_steps: int | None = None,
        mask_interval: int = 100,
        density_interval: int | None = None,
        chunk_size: int | None = 32768,
        select: str = "small",
        moment_policy: str = "carry",
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
            "final_density": final_density,
            "total_steps": total_steps,
            "mask_interval": mask_interval,
            "density_interval": density_interval,
            "chunk_size": chunk_size,
            "select": select,
            "moment_policy": moment_policy,
            "decay_scope": decay_scope,
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
            "fused": fused,
        }
        optim.NanoAdam(
            [torch.zeros(1)], **self.options
        )  # its own checks speak before a model exists

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return optim.NanoAdam(dense_groups(model, self.dense, self.dense_lr), **self.options)
