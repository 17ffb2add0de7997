"""AdamW with cautious weight decay, entry by entry."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from nanocl.optim._reference.base import Reference, adam_update


class CautiousAdamWReference(Reference):
    """See `CautiousAdamW` for the source."""

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.mean = self.zeros()
        self.square = self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        beta1, beta2 = self.betas
        self.mean[i] = beta1 * self.mean[i] + (1 - beta1) * gradient
        self.square[i] = beta2 * self.square[i] + (1 - beta2) * gradient**2
        update = adam_update(self.mean[i], self.square[i], self.steps[i], self.betas, self.eps)
        # w <- w - lr (u + weight_decay [u w >= 0] w)
        for j, (u, w) in enumerate(zip(update.tolist(), self.params[i].tolist(), strict=True)):
            decay = self.weight_decay * w if u * w >= 0 else 0.0
            self.params[i][j] = w - self.lr * (u + decay)
