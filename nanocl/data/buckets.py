"""Random mini-batches of samples of similar length, so that little of a mini-batch is padding."""

from __future__ import annotations

import torch
from torch import Tensor

POOL = 50  # mini-batches whose samples are sorted together


def bucketed(order: Tensor, lengths: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A random order whose consecutive `size` samples have similar lengths.

    The samples of `POOL` mini-batches at a time are sorted by length and cut into mini-batches,
    which come in random order. Samples that fill no mini-batch stay at the end, so that no length
    is left out where only full mini-batches are used.

    Args:
        order: A random order of the samples, shape (n,).
        lengths: Length of each sample, shape (n,).
        size: Samples per mini-batch.
        generator: Source of the order of the mini-batches.
    """
    full = len(order) - len(order) % size
    if not full:
        return order
    pools = order[:full].split(size * POOL)
    by_length = [pool[lengths[pool].argsort(stable=True)] for pool in pools]
    batches = torch.cat(by_length).view(-1, size)
    shuffled = batches[torch.randperm(len(batches), generator=generator)]
    return torch.cat([shuffled.flatten(), order[full:]])
