"""PaFi with one mask over all tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nanocl.optim._reference.base import Reference, adam_update, share


class PaFiReference(Reference):
    """See `PaFi` for the source."""

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.1,
        decay_scope: str = "selected",
    ) -> None:
        super().__init__(params)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        # the mask: the smallest weights of the whole model
        mask = share(torch.cat(self.params).abs(), density, None)
        self.masks = mask.split([len(param) for param in self.params])
        everything = decay_scope == "all"
        self.decayed = [torch.ones_like(mask) if everything else mask for mask in self.masks]
        self.mean = self.zeros()
        self.square = self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        beta1, beta2 = self.betas
        self.mean[i] = beta1 * self.mean[i] + (1 - beta1) * gradient
        self.square[i] = beta2 * self.square[i] + (1 - beta2) * gradient**2
        update = adam_update(self.mean[i], self.square[i], self.steps[i], self.betas, self.eps)
        # decoupled decay, then the step of the masked entries
        shrunk = self.params[i] * (1 - self.lr * self.weight_decay)
        param = torch.where(self.decayed[i], shrunk, self.params[i])
        self.params[i] = torch.where(self.masks[i], param - self.lr * update, param)
