"""The optimizers that mask AdamW or Adagrad, slow and plain, to compare with; see `_reference` for the manner."""

from __future__ import annotations

import torch
from torch import Tensor

from ._reference import Reference, lowest, pieces


class MoFOReference(Reference):
    """Adam whose update passes a filter; see `MoFO` for the source."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, density=0.1,
                 chunk_size=None, decay_scope="all") -> None:
        super().__init__(params)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.density, self.chunk_size, self.decay_scope = density, chunk_size, decay_scope
        self.mean, self.square = self.zeros(), self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        (beta1, beta2), step = self.betas, self.steps[i]
        self.mean[i] = beta1 * self.mean[i] + (1 - beta1) * gradient
        self.square[i] = beta2 * self.square[i] + (1 - beta2) * gradient**2
        chosen = share(-self.mean[i].abs(), self.density, self.chunk_size)
        update = self.mean[i] / (1 - beta1**step) / ((self.square[i] / (1 - beta2**step)).sqrt() + self.eps)
        decayed = chosen if self.decay_scope == "selected" else torch.ones_like(chosen)
        param = torch.where(decayed, self.params[i] * (1 - self.lr * self.weight_decay), self.params[i])
        self.params[i] = torch.where(chosen, param - self.lr * update, param)


def share(keys: Tensor, density: float, size: int | None) -> Tensor:
    """The mask of the lowest keys of every piece: a share of it, rounded up."""
    mask = torch.zeros_like(keys, dtype=torch.bool)
    for first, end in pieces(len(keys), size):
        exact = round(density * (end - first), 6)
        count = int(exact) + (exact > int(exact))
        mask[[first + place for place in lowest(keys[first:end].tolist(), count)]] = True
    return mask
