"""The optimizers that mask AdamW or Adagrad, slow and plain, to compare with; see `_reference` for the manner."""

from __future__ import annotations

import torch
from torch import Tensor

from nanocl.optim._reference.nanoadam import Reference, lowest, pieces


class MoFOReference(Reference):
    """Adam whose update passes a filter; see `MoFO` for the source."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        *,
        density=0.1,
        chunk_size=None,
        decay_scope="all",
    ) -> None:
        super().__init__(params)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.density, self.chunk_size, self.decay_scope = density, chunk_size, decay_scope
        self.mean, self.square = self.zeros(), self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        (beta1, beta2), step = self.betas, self.steps[i]
        self.mean[i] = beta1 * self.mean[i] + (1 - beta1) * gradient
        self.square[i] = beta2 * self.square[i] + (1 - beta2) * gradient**2
        chosen = share(-self.mean[i].abs(), self.density, self.chunk_size)
        update = (
            self.mean[i]
            / (1 - beta1**step)
            / ((self.square[i] / (1 - beta2**step)).sqrt() + self.eps)
        )
        decayed = chosen if self.decay_scope == "selected" else torch.ones_like(chosen)
        param = torch.where(
            decayed, self.params[i] * (1 - self.lr * self.weight_decay), self.params[i]
        )
        self.params[i] = torch.where(chosen, param - self.lr * update, param)


class LIFTReference(Reference):
    """Adam under a mask from an SVD; see `LIFT` for the source."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        *,
        density=0.05,
        rank=0.03125,
        mask_interval=400,
        chunk_size=None,
        moment_policy="keep",
        decay_scope="selected",
    ) -> None:
        super().__init__(params)
        self.shapes = [(len(param), -1) if param.ndim > 1 else (1, -1) for param in params]
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.density, self.rank, self.mask_interval, self.chunk_size = (
            density,
            rank,
            mask_interval,
            chunk_size,
        )
        self.moment_policy, self.decay_scope = moment_policy, decay_scope
        self.masks = [torch.zeros_like(param, dtype=torch.bool) for param in self.params]
        self.mean, self.square, self.age = self.zeros(), self.zeros(), self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        if (self.steps[i] - 1) % self.mask_interval == 0:
            self._choose(i)
        mask, (beta1, beta2) = self.masks[i], self.betas
        self.age[i] += 1
        self.mean[i] = torch.where(mask, beta1 * self.mean[i] + (1 - beta1) * gradient, 0)
        self.square[i] = torch.where(mask, beta2 * self.square[i] + (1 - beta2) * gradient**2, 0)
        age = self.steps[i] if self.moment_policy == "keep" else self.age[i]
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

    def _choose(self, i: int) -> None:
        left, values, right = torch.linalg.svd(
            self.params[i].view(self.shapes[i]), full_matrices=False
        )
        whole = int(self.rank * len(values))
        kept = int(self.rank) if self.rank >= 1 else whole + (whole < self.rank * len(values))
        values[kept:] = 0
        new = share(-(left * values @ right).flatten().abs(), self.density, self.chunk_size)
        kept = torch.zeros_like(new) if self.moment_policy == "reset" else self.masks[i] & new
        self.masks[i] = new
        for moments in (self.mean, self.square, self.age):
            moments[i] = torch.where(kept, moments[i], 0)


class LowRankAdamWReference(Reference):
    """LoRA by automatic differentiation of the sum; see `LowRankAdamW` for the source.

    Args:
        first: The first A of each tensor, shape (rank, columns); None for one that AdamW trains
            itself.
    """

    def __init__(
        self, params, first, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, alpha=16.0
    ) -> None:
        super().__init__(params)
        self.lr, self.betas, self.eps, self.weight_decay, self.alpha = (
            lr,
            betas,
            eps,
            weight_decay,
            alpha,
        )
        self.start = [param.clone() for param in self.params]
        self.trained = [
            [param] if a is None else [a.double().clone(), a.new_zeros(len(given), len(a)).double()]
            for param, a, given in zip(self.params, first, params, strict=True)
        ]
        self.mean = [[torch.zeros_like(part) for part in parts] for parts in self.trained]
        self.square = [[torch.zeros_like(part) for part in parts] for parts in self.trained]

    def update(self, i: int, gradient: Tensor) -> None:
        parts = [part.detach().requires_grad_() for part in self.trained[i]]
        slopes = torch.autograd.grad((self._sum(i, parts) * gradient).sum(), parts)
        for j, (part, slope) in enumerate(zip(parts, slopes, strict=True)):
            self.trained[i][j] = self._adamw(i, j, part.detach(), slope)
        self.params[i] = self._sum(i, self.trained[i])

    def _sum(self, i: int, parts: list[Tensor]) -> Tensor:
        if len(parts) == 1:
            return parts[0]
        return self.start[i] + self.alpha / len(parts[0]) * (parts[1] @ parts[0]).flatten()

    def _adamw(self, i: int, j: int, part: Tensor, slope: Tensor) -> Tensor:
        (beta1, beta2), step = self.betas, self.steps[i]
        self.mean[i][j] = beta1 * self.mean[i][j] + (1 - beta1) * slope
        self.square[i][j] = beta2 * self.square[i][j] + (1 - beta2) * slope**2
        root = (self.square[i][j] / (1 - beta2**step)).sqrt()
        return part * (1 - self.lr * self.weight_decay) - self.lr * self.mean[i][j] / (
            1 - beta1**step
        ) / (root + self.eps)


class PaFiReference(Reference):
    """Adam under one mask over all tensors; see `PaFi` for the source."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        *,
        density=0.1,
        decay_scope="selected",
    ) -> None:
        super().__init__(params)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        mask = share(torch.cat(self.params).abs(), density, None)
        self.masks = mask.split([len(param) for param in self.params])
        self.decayed = [
            mask if decay_scope == "selected" else torch.ones_like(mask) for mask in self.masks
        ]
        self.mean, self.square = self.zeros(), self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        (beta1, beta2), step = self.betas, self.steps[i]
        self.mean[i] = beta1 * self.mean[i] + (1 - beta1) * gradient
        self.square[i] = beta2 * self.square[i] + (1 - beta2) * gradient**2
        update = (
            self.mean[i]
            / (1 - beta1**step)
            / ((self.square[i] / (1 - beta2**step)).sqrt() + self.eps)
        )
        shrunk = self.params[i] * (1 - self.lr * self.weight_decay)
        param = torch.where(self.decayed[i], shrunk, self.params[i])
        self.params[i] = torch.where(self.masks[i], param - self.lr * update, param)


class CLASSPReference(Reference):
    """Entry by entry; see `CLASSP` for the source."""

    def __init__(
        self,
        params,
        lr=1e-2,
        eps=1e-4,
        weight_decay=0.0,
        *,
        threshold=1e-8,
        power=1.0,
        apply_decay=True,
    ) -> None:
        super().__init__(params)
        self.lr, self.eps, self.weight_decay = lr, eps, weight_decay
        self.threshold, self.power, self.apply_decay = threshold, power, apply_decay
        self.sums = self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        for j, g in enumerate(gradient.tolist()):
            if g**2 > self.threshold:
                self.sums[i][j] += abs(g) ** self.power
                scale = (
                    (self.eps + self.sums[i][j].item()) ** (1 / self.power)
                    if self.apply_decay
                    else 1
                )
                self.params[i][j] -= self.lr * (g / scale + self.weight_decay * self.params[i][j])


class CautiousAdamWReference(Reference):
    """Entry by entry; see `CautiousAdamW` for the source."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01) -> None:
        super().__init__(params)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.mean, self.square = self.zeros(), self.zeros()

    def update(self, i: int, gradient: Tensor) -> None:
        (beta1, beta2), step = self.betas, self.steps[i]
        self.mean[i] = beta1 * self.mean[i] + (1 - beta1) * gradient
        self.square[i] = beta2 * self.square[i] + (1 - beta2) * gradient**2
        update = (
            self.mean[i]
            / (1 - beta1**step)
            / ((self.square[i] / (1 - beta2**step)).sqrt() + self.eps)
        )
        for j, (u, w) in enumerate(zip(update.tolist(), self.params[i].tolist(), strict=True)):
            self.params[i][j] = w - self.lr * (u + self.weight_decay * w if u * w >= 0 else u)


def share(keys: Tensor, density: float, size: int | None) -> Tensor:
    """The mask of the lowest keys of every piece: a share of it, rounded up."""
    mask = torch.zeros_like(keys, dtype=torch.bool)
    for first, end in pieces(len(keys), size):
        exact = round(density * (end - first), 6)
        count = int(exact) + (exact > int(exact))
        mask[[first + place for place in lowest(keys[first:end].tolist(), count)]] = True
    return mask
