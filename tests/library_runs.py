"""Optimizers of libraries by name, small networks and random steps for their tests."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from nanocl.plugins.catalogue import Catalogue
from nanocl.records import Part


def complete(name, **values) -> Part:
    """The part of a spec; the test is skipped if the library is missing."""
    library = name.split(":")[0]
    if library != "torch":
        pytest.importorskip(library.replace("-", "_"))
    return Catalogue().complete("strategies", name, values)


def make(name, **values):
    """The strategy with these options."""
    return Catalogue().make("strategies", complete(name, **values))


def network(*sizes: int, dtype=torch.float32) -> nn.Sequential:
    """Linear layers of these sizes with the same weights at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes))).to(dtype)


def steps(optimizer, model, count, seed=0):
    """Steps along random gradients that depend on `seed` only."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=generator).to(p.dtype)
        optimizer.step()


def weights(model):
    """A copy of the model's parameters."""
    return [p.detach().clone() for p in model.parameters()]


def equal(first, second):
    """Whether both have the same tensors, bit for bit."""
    return all(map(torch.equal, first, second))
