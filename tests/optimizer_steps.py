"""Steps of a strategy's optimizer on a small network, and those of the optimizer it stands for."""

from functools import partial

import torch
from torch import nn


def trajectory(make, steps=5):
    """The weights after `steps` steps of the optimizer that `make(model)` returns."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = make(model)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 6)).square().sum().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def assert_steps_of(strategy, make):
    """The strategy's optimizer takes the steps of the one that `make(parameters)` returns."""
    ours = trajectory(strategy.make_optimizer)
    expected = trajectory(lambda model: make(model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))


def assert_fused_steps_of(strategy, kind, **options):
    """The strategy takes the steps of torch's fused optimizer, those of its loop to rounding."""
    assert_steps_of(strategy, partial(kind, fused=True, **options))
    ours = trajectory(strategy.make_optimizer)
    loop = trajectory(lambda model: kind(model.parameters(), foreach=False, **options))
    torch.testing.assert_close(ours, loop, rtol=1e-5, atol=1e-7)
