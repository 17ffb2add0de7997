"""MicroAdam with dense tensors as rows of the window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nanocl.optim._reference.base import Reference, lowest, pieces


class MicroAdamReference(Reference):
    """See `MicroAdam` for the source. The window is a list that begins with its newest row."""

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.01,
        window: int = 10,
        quant_block: int = 64,
        block_size: int | None = None,
        state_dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        super().__init__(params)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.density = density
        self.window = window
        self.state_dtype = state_dtype
        # window and error keep magnitudes up to half of the largest number
        self.limit = torch.finfo(state_dtype).max / 2
        self.quant_block = quant_block
        self.block_size = block_size or 32768
        self.error = self.zeros()
        self.rows: list[list[Tensor]] = [[] for _ in self.params]

    def update(self, i: int, gradient: Tensor) -> None:
        # Algorithm 1: a <- g + e
        total = gradient + self.error[i]
        # the largest entries of each block enter the window
        sent = torch.zeros_like(total)
        for first, end in pieces(len(total), self.block_size):
            count = max(1, math.ceil(round(self.density * (end - first), 6)))
            chosen = torch.tensor(lowest((-total[first:end].abs()).tolist(), count)) + first
            values = total[chosen]
            values = torch.where(values.isinf(), values, values.clamp(-self.limit, self.limit))
            sent[chosen] = values.to(self.state_dtype).double()
        self.rows[i] = [sent, *self.rows[i]][: self.window]
        # the rest is the new error, in 4 bits
        rest = total - sent
        rest = torch.where(rest.isfinite(), rest.clamp(-self.limit, self.limit), 0)
        self.error[i] = self._coarse(rest)
        mean, square = self._moments(i)
        self.params[i] *= 1 - self.lr * self.weight_decay
        self.params[i] -= self.lr * mean / (square.sqrt() + self.eps)

    def _moments(self, i: int) -> tuple[Tensor, Tensor]:
        """Procedure ADAMSTATS, with bias correction."""
        beta1, beta2 = self.betas
        step = self.steps[i]
        mean = torch.zeros_like(self.params[i])
        square = torch.zeros_like(self.params[i])
        for age, row in enumerate(self.rows[i]):
            mean += beta1**age * row
            square += beta2**age * row**2
        corrected_mean = mean * (1 - beta1) / (1 - beta1**step)
        corrected_square = square * (1 - beta2) / (1 - beta2**step)
        return corrected_mean, corrected_square

    def _coarse(self, values: Tensor) -> Tensor:
        """The values after Algorithm 2: quantised to 4 bits and back."""
        coarse = values.clone()
        for first, end in pieces(len(values), self.quant_block):
            bucket = values[first:end]
            low = self._outward(bucket.min(), -math.inf)
            high = self._outward(bucket.max(), math.inf)
            unit = (high - low) / 15
            if unit > 0:
                level = ((bucket - low) / unit + 0.5).floor()
                coarse[first:end] = low + unit * level
            else:
                coarse[first:end] = low
        return coarse

    def _outward(self, bound: Tensor, direction: float) -> Tensor:
        """A bound in the type of the state, rounded away from the bucket's values."""
        rounded = bound.to(self.state_dtype)
        if (rounded.double() - bound) * math.copysign(1, direction) < 0:
            rounded = torch.nextafter(rounded, torch.full_like(rounded, direction))
        return rounded.double()
