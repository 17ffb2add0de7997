"""Each optimizer slow and plain, to compare with: dense state, one tensor and one chunk after the other.

Every class takes the tensors to train and the options of the optimizer of its name. `step` takes
one gradient per tensor (None skips it) and updates `params`, which are flat copies in double
precision.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


class Reference(ABC):
    """Flat double-precision copies of the tensors, and a step count for each."""

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = [param.detach().reshape(-1).double().clone() for param in params]
        self.steps = [0 for _ in params]

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        for i, gradient in enumerate(gradients):
            if gradient is not None:
                self.steps[i] += 1
                self.update(i, gradient.detach().reshape(-1).double())

    @abstractmethod
    def update(self, i: int, gradient: Tensor) -> None:
        """One step of parameter `i` with its flat gradient."""

    def zeros(self) -> list[Tensor]:
        """One tensor of zeros for each parameter."""
        return [torch.zeros_like(param) for param in self.params]


def lowest(keys: Sequence[float], count: int) -> list[int]:
    """Places of the lowest keys, ascending; of equal keys the first ones."""
    return sorted(sorted(range(len(keys)), key=lambda i: (keys[i], i))[:count])


def pieces(length: int, size: int | None) -> Iterator[tuple[int, int]]:
    """Bounds of the consecutive pieces of a flat tensor."""
    size = size or max(1, length)
    return ((first, min(first + size, length)) for first in range(0, length, size))


class NanoAdamReference(Reference):
    """Adam under a mask over every entry; see `NanoAdam` for the source. Without `select="random"`."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        *,
        density=0.1,
        final_density=None,
        total_steps=None,
        mask_interval=100,
        density_interval=None,
        chunk_size=32768,
        select="small",
        moment_policy="carry",
        decay_scope="selected",
    ) -> None:
        super().__init__(params)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.first, self.last, self.total_steps = density, final_density, total_steps
        self.mask_interval, self.density_interval, self.chunk_size = (
            mask_interval,
            density_interval,
            chunk_size,
        )
        self.select, self.moment_policy, self.decay_scope = select, moment_policy, decay_scope
        self.masks = [torch.zeros_like(param, dtype=torch.bool) for param in self.params]
        self.mean, self.square, self.age = self.zeros(), self.zeros(), self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        done = self.steps[i] - 1
        if self._due(done):
            self._choose(i, gradient, self._density(done))
        mask, (beta1, beta2) = self.masks[i], self.betas
        self.age[i] += 1
        self.mean[i] = torch.where(mask, beta1 * self.mean[i] + (1 - beta1) * gradient, 0)
        self.square[i] = torch.where(mask, beta2 * self.square[i] + (1 - beta2) * gradient**2, 0)
        age = self.steps[i] if self.moment_policy == "slot" else self.age[i]
        step = (
            self.mean[i]
            / (1 - beta1**age)
            / ((self.square[i] / (1 - beta2**age)).sqrt() + self.eps)
        )
        decayed = mask if self.decay_scope == "selected" else torch.ones_like(mask)
        param = torch.where(
            decayed, self.params[i] * (1 - self.lr * self.weight_decay), self.params[i]
        )
        self.params[i] = torch.where(mask, param - self.lr * step, param)

    def _due(self, done: int) -> bool:
        if self.select == "static-small":
            return done == 0
        return any(
            done % interval == 0
            for interval in (self.mask_interval, self.density_interval)
            if interval
        )

    def _density(self, done: int) -> float:
        if self.last is None:
            return self.first
        evaluated = done // (self.density_interval or 1) * (self.density_interval or 1)
        return self.first + (self.last - self.first) * min(1, evaluated / self.total_steps)

    def _choose(self, i: int, gradient: Tensor, density: float) -> None:
        old, new = self.masks[i], torch.zeros_like(self.masks[i])
        keys = {"large": -self.params[i].abs(), "gradient": -gradient.abs()}.get(
            self.select, self.params[i].abs()
        )
        for first, end in pieces(len(keys), self.chunk_size):
            count = max(1, math.ceil(round(density * (end - first), 6))) if density > 0 else 0
            chosen = torch.tensor(lowest(keys[first:end].tolist(), count), dtype=torch.long) + first
            new[chosen] = True
            if self.moment_policy == "slot":
                self._shift(i, old[first:end].nonzero()[:, 0] + first, chosen)
        self.masks[i] = new
        if self.moment_policy != "slot":
            kept = old & new if self.moment_policy == "carry" else torch.zeros_like(new)
            for values in (self.mean, self.square, self.age):
                values[i] = torch.where(kept, values[i], 0)

    def _shift(self, i: int, old: Tensor, new: Tensor) -> None:
        for values in (self.mean, self.square):
            moved = values[i][old][: len(new)]
            values[i][old] = 0
            values[i][new[: len(moved)]] = moved


class MicroAdamReference(Reference):
    """Top-k with a 4-bit error; see `MicroAdam` for the source. The window is a list, its newest row first."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        *,
        density=0.01,
        window=10,
        quant_block=64,
        block_size=None,
        state_dtype=torch.bfloat16,
    ) -> None:
        super().__init__(params)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.density, self.window, self.state_dtype = density, window, state_dtype
        self.quant_block, self.block_size = quant_block, block_size or 32768
        self.error = self.zeros()
        self.rows: list[list[Tensor]] = [[] for _ in self.params]

    def update(self, i: int, gradient: Tensor) -> None:
        total = gradient + self.error[i]
        sent = torch.zeros_like(total)
        for first, end in pieces(len(total), self.block_size):
            count = max(1, math.ceil(round(self.density * (end - first), 6)))
            chosen = torch.tensor(lowest((-total[first:end].abs()).tolist(), count)) + first
            sent[chosen] = total[chosen].to(self.state_dtype).double()
        self.rows[i] = [sent, *self.rows[i]][: self.window]
        self.error[i] = self._coarse(total - sent)
        mean, square = self._moments(i)
        self.params[i] *= 1 - self.lr * self.weight_decay
        self.params[i] -= self.lr * mean / (square.sqrt() + self.eps)

    def _moments(self, i: int) -> tuple[Tensor, Tensor]:
        (beta1, beta2), step = self.betas, self.steps[i]
        mean = sum(beta1**age * row for age, row in enumerate(self.rows[i]))
        square = sum(beta2**age * row**2 for age, row in enumerate(self.rows[i]))
        return mean * (1 - beta1) / (1 - beta1**step), square * (1 - beta2) / (1 - beta2**step)

    def _coarse(self, values: Tensor) -> Tensor:
        """The values after a passage through four bits."""
        coarse = values.clone()
        for first, end in pieces(len(values), self.quant_block):
            low = self._outward(values[first:end].min(), -math.inf)
            unit = (self._outward(values[first:end].max(), math.inf) - low) / 15
            if unit > 0:
                coarse[first:end] = low + unit * ((values[first:end] - low) / unit + 0.5).floor()
            else:
                coarse[first:end] = low
        return coarse

    def _outward(self, bound: Tensor, direction: float) -> Tensor:
        rounded = bound.to(self.state_dtype)
        if (rounded.double() - bound) * math.copysign(1, direction) < 0:
            rounded = torch.nextafter(rounded, torch.full_like(rounded, direction))
        return rounded.double()
