"""CLASSP entry by entry."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from nanocl.optim._reference.base import Reference


class CLASSPReference(Reference):
    """See `CLASSP` for the source."""

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float = 1e-2,
        eps: float = 1e-4,
        weight_decay: float = 0.0,
        *,
        threshold: float = 1e-8,
        power: float = 1.0,
        apply_decay: bool = True,
    ) -> None:
        super().__init__(params)
        self.lr = lr
        self.eps = eps
        self.weight_decay = weight_decay
        self.threshold = threshold
        self.power = power
        self.apply_decay = apply_decay
        self.sums = self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        for j, g in enumerate(gradient.tolist()):
            # the pseudo-code's condition; below the threshold, weight and sum stay
            if g**2 > self.threshold:
                self.sums[i][j] += abs(g) ** self.power
                scale = 1.0
                if self.apply_decay:
                    scale = (self.eps + self.sums[i][j].item()) ** (1 / self.power)
                self.params[i][j] -= self.lr * (g / scale + self.weight_decay * self.params[i][j])
