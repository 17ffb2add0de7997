"""Steps of a strategy's optimizer on a small network, and those of the optimizer it stands for."""

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
