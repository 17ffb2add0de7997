"""LoRA by automatic differentiation of the sum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nanocl.optim._reference.base import Reference, adam_update


class LowRankAdamWReference(Reference):
    """See `LowRankAdamW` for the source.

    Args:
        first: The first A of each tensor, shape (rank, columns); None for a tensor that AdamW
            itself trains.
    """

    def __init__(
        self,
        params: Sequence[Tensor],
        first: Sequence[Tensor | None],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        alpha: float = 16.0,
    ) -> None:
        super().__init__(params)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.alpha = alpha
        self.start = [param.clone() for param in self.params]
        self.trained = []
        for flat, a, param in zip(self.params, first, params, strict=True):
            # section 4.1: A is random, B is zero
            parts = [flat] if a is None else [a.double().clone(), _first_b(param, a)]
            self.trained.append(parts)
        self.mean = [_zeros(parts) for parts in self.trained]
        self.square = [_zeros(parts) for parts in self.trained]

    def update(self, i: int, gradient: Tensor) -> None:
        parts = [part.detach().requires_grad_() for part in self.trained[i]]
        # the gradient of the sum W0 + alpha / rank * B A, by the chain rule of autograd
        slopes = torch.autograd.grad((self._sum(i, parts) * gradient).sum(), parts)
        for j, (part, slope) in enumerate(zip(parts, slopes, strict=True)):
            self.trained[i][j] = self._adamw(i, j, part.detach(), slope)
        self.params[i] = self._sum(i, self.trained[i])

    def _sum(self, i: int, parts: list[Tensor]) -> Tensor:
        if len(parts) == 1:
            return parts[0]
        return self.start[i] + self.alpha / len(parts[0]) * (parts[1] @ parts[0]).flatten()

    def _adamw(
        self,
        i: int,
        j: int,
        part: Tensor,
        slope: Tensor,
    ) -> Tensor:
        beta1, beta2 = self.betas
        self.mean[i][j] = beta1 * self.mean[i][j] + (1 - beta1) * slope
        self.square[i][j] = beta2 * self.square[i][j] + (1 - beta2) * slope**2
        moments = self.mean[i][j], self.square[i][j]
        update = adam_update(*moments, self.steps[i], self.betas, self.eps)
        return part * (1 - self.lr * self.weight_decay) - self.lr * update


def _zeros(parts: list[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(part) for part in parts]


def _first_b(param: Tensor, a: Tensor) -> Tensor:
    return torch.zeros(len(param), len(a), dtype=torch.float64)
