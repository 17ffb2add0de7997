"""NanoAdam with a mask over every entry."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nanocl.optim._reference.base import Reference, adam_update, lowest, pieces


class NanoAdamReference(Reference):
    """See `NanoAdam` for the source; without `select="random"`."""

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.1,
        final_density: float | None = None,
        total_steps: int | None = None,
        mask_interval: int = 100,
        density_interval: int | None = None,
        chunk_size: int | None = 32768,
        select: str = "small",
        moment_policy: str = "carry",
        decay_scope: str = "selected",
    ) -> None:
        super().__init__(params)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.first = density
        self.last = final_density
        self.total_steps = total_steps
        self.mask_interval = mask_interval
        self.density_interval = density_interval
        self.chunk_size = chunk_size
        self.select = select
        self.moment_policy = moment_policy
        self.decay_scope = decay_scope
        self.masks = [torch.zeros_like(param, dtype=torch.bool) for param in self.params]
        self.mean = self.zeros()
        self.square = self.zeros()
        self.age = self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        done = self.steps[i] - 1
        # Algorithm 1: every k steps, a new mask over the smallest weights
        if self._due(done):
            self._choose(i, gradient, self._density(done))
        mask = self.masks[i]
        beta1, beta2 = self.betas
        self.age[i] += 1
        # moments of the masked entries; those of all others are zero
        mean = beta1 * self.mean[i] + (1 - beta1) * gradient
        square = beta2 * self.square[i] + (1 - beta2) * gradient**2
        self.mean[i] = torch.where(mask, mean, 0)
        self.square[i] = torch.where(mask, square, 0)
        age = self.steps[i] if self.moment_policy == "slot" else self.age[i]
        update = adam_update(self.mean[i], self.square[i], age, self.betas, self.eps)
        # decoupled decay, then the step of the masked entries
        decayed = mask if self.decay_scope == "selected" else torch.ones_like(mask)
        shrunk = self.params[i] * (1 - self.lr * self.weight_decay)
        param = torch.where(decayed, shrunk, self.params[i])
        self.params[i] = torch.where(mask, param - self.lr * update, param)

    def _due(self, done: int) -> bool:
        if self.select == "static-small":
            return done == 0
        intervals = (self.mask_interval, self.density_interval)
        return any(done % interval == 0 for interval in intervals if interval)

    def _density(self, done: int) -> float:
        if self.last is None or self.total_steps is None:
            return self.first
        # the schedule is linear in the last multiple of its interval
        interval = self.density_interval or 1
        evaluated = done // interval * interval
        return self.first + (self.last - self.first) * min(1, evaluated / self.total_steps)

    def _choose(self, i: int, gradient: Tensor, density: float) -> None:
        old = self.masks[i]
        new = torch.zeros_like(self.masks[i])
        magnitude = self.params[i].abs()
        # a weight of 0 as one of the smallest normal number
        ratio = gradient.abs() / magnitude.clamp(min=torch.finfo(magnitude.dtype).tiny)
        keys = {"large": -magnitude, "gradient": -gradient.abs(), "gallop": -ratio}.get(
            self.select, magnitude
        )
        for first, end in pieces(len(keys), self.chunk_size):
            count = max(1, math.ceil(round(density * (end - first), 6))) if density > 0 else 0
            chosen = torch.tensor(lowest(keys[first:end].tolist(), count), dtype=torch.long) + first
            new[chosen] = True
            if self.moment_policy == "slot":
                self._shift(i, old[first:end].nonzero()[:, 0] + first, chosen)
        self.masks[i] = new
        if self.moment_policy != "slot":
            # "carry" keeps what stays selected, "reset" keeps nothing
            kept = old & new if self.moment_policy == "carry" else torch.zeros_like(new)
            for values in (self.mean, self.square, self.age):
                values[i] = torch.where(kept, values[i], 0)

    def _shift(self, i: int, old: Tensor, new: Tensor) -> None:
        """Give the moments of the old entries to the new ones, in order."""
        for values in (self.mean, self.square):
            moved = values[i][old][: len(new)]
            values[i][old] = 0
            values[i][new[: len(moved)]] = moved
