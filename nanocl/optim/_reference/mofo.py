"""MoFO with a mask over every entry."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nanocl.optim._reference.base import Reference, adam_update, share


class MoFOReference(Reference):
    """See `MoFO` for the source."""

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.1,
        chunk_size: int | None = None,
        decay_scope: str = "all",
    ) -> None:
        super().__init__(params)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.density = density
        self.chunk_size = chunk_size
        self.decay_scope = decay_scope
        self.mean = self.zeros()
        self.square = self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        beta1, beta2 = self.betas
        # Algorithm 1: Adam's moments of every entry
        self.mean[i] = beta1 * self.mean[i] + (1 - beta1) * gradient
        self.square[i] = beta2 * self.square[i] + (1 - beta2) * gradient**2
        update = adam_update(self.mean[i], self.square[i], self.steps[i], self.betas, self.eps)
        # the filter FLT_alpha(m): the entries of largest first moment
        chosen = share(-self.mean[i].abs(), self.density, self.chunk_size)
        decayed = chosen if self.decay_scope == "selected" else torch.ones_like(chosen)
        shrunk = self.params[i] * (1 - self.lr * self.weight_decay)
        param = torch.where(decayed, shrunk, self.params[i])
        self.params[i] = torch.where(chosen, param - self.lr * update, param)
