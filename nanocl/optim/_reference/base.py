"""The base class of the references, and the formulas that several of them use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


class Reference(ABC):
    """Flat double-precision copies of the tensors in `params`, and a step count for each."""

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = [param.detach().reshape(-1).double().clone() for param in params]
        self.steps = [0 for _ in params]

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Take one step with one gradient a tensor; None skips the tensor."""
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


def adam_update(
    mean: Tensor,
    square: Tensor,
    age: Tensor | int,
    betas: tuple[float, float],
    eps: float,
) -> Tensor:
    """Adam's update from its moments; lines 9 to 12 of Loshchilov and Hutter's Algorithm 2."""
    # the moments start at zero; dividing by 1 - beta^age removes this bias
    corrected_mean = mean / (1 - betas[0] ** age)
    corrected_square = square / (1 - betas[1] ** age)
    return corrected_mean / (corrected_square.sqrt() + eps)


def lowest(keys: Sequence[float], count: int) -> list[int]:
    """Positions of the lowest keys, ascending; of equal keys the first ones."""
    order = sorted(range(len(keys)), key=lambda i: (keys[i], i))
    return sorted(order[:count])


def pieces(length: int, size: int | None) -> Iterator[tuple[int, int]]:
    """Bounds of the consecutive pieces of a flat tensor."""
    size = size or max(1, length)
    return ((first, min(first + size, length)) for first in range(0, length, size))


def share(keys: Tensor, density: float, size: int | None) -> Tensor:
    """The mask of the lowest keys of every piece: a share of the piece, rounded up."""
    mask = torch.zeros_like(keys, dtype=torch.bool)
    for first, end in pieces(len(keys), size):
        # decimals beyond the sixth are rounding errors of the product, which must not round up
        exact = round(density * (end - first), 6)
        count = int(exact) + (exact > int(exact))
        chosen = lowest(keys[first:end].tolist(), count)
        places = [first + position for position in chosen]
        mask[places] = True
    return mask
