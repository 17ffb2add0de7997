"""LIFT with a mask from a singular value decomposition."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nanocl.optim._reference.base import Reference, adam_update, share


class LIFTReference(Reference):
    """See `LIFT` for the source."""

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.05,
        rank: float = 0.03125,
        mask_interval: int = 400,
        chunk_size: int | None = None,
        moment_policy: str = "keep",
        decay_scope: str = "selected",
    ) -> None:
        super().__init__(params)
        self.shapes = [(len(param), -1) if param.ndim > 1 else (1, -1) for param in params]
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.density = density
        self.rank = rank
        self.chunk_size = chunk_size
        self.mask_interval = mask_interval
        self.moment_policy = moment_policy
        self.decay_scope = decay_scope
        self.masks = [torch.zeros_like(param, dtype=torch.bool) for param in self.params]
        self.mean = self.zeros()
        self.square = self.zeros()
        self.age = self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        # a new mask at regular intervals, the first before the first step
        if (self.steps[i] - 1) % self.mask_interval == 0:
            self._choose(i)
        mask = self.masks[i]
        beta1, beta2 = self.betas
        self.age[i] += 1
        # moments of the masked entries; those of all others are zero
        mean = beta1 * self.mean[i] + (1 - beta1) * gradient
        square = beta2 * self.square[i] + (1 - beta2) * gradient**2
        self.mean[i] = torch.where(mask, mean, 0)
        self.square[i] = torch.where(mask, square, 0)
        age = self.steps[i] if self.moment_policy == "keep" else self.age[i]
        update = adam_update(self.mean[i], self.square[i], age, self.betas, self.eps)
        # decoupled decay, then the step of the masked entries
        decayed = mask if self.decay_scope == "selected" else torch.ones_like(mask)
        shrunk = self.params[i] * (1 - self.lr * self.weight_decay)
        param = torch.where(decayed, shrunk, self.params[i])
        self.params[i] = torch.where(mask, param - self.lr * update, param)

    def _choose(self, i: int) -> None:
        """Mask the largest entries of the matrix without its smaller singular values."""
        matrix = self.params[i].view(self.shapes[i])
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        # a share of the singular values is rounded up
        exact = self.rank * len(values)
        whole = int(exact)
        rank = int(self.rank) if self.rank >= 1 else whole + (whole < exact)
        values[rank:] = 0
        approximation = left * values @ right
        keys = -approximation.flatten().abs()
        new = share(keys, self.density, self.chunk_size)
        kept = torch.zeros_like(new) if self.moment_policy == "reset" else self.masks[i] & new
        self.masks[i] = new
        for moments in (self.mean, self.square, self.age):
            moments[i] = torch.where(kept, moments[i], 0)
