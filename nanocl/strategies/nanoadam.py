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

    optimizer_class = optim.NanoAdam

    def __init__(
        self, *, dense_lr: float | None = None, dense: str = "norms+head", **options: Option
    ) -> None:
        super().__init__()
        self.sparse = Sparse(self.optimizer_class, dense_lr, dense, options)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        return self.sparse.make(model)
