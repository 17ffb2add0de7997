"""The quadratic penalty: its value, its gradient, and parameters that have grown."""

import torch
from torch import nn

from nanocl.strategies._penalty import fit, half_square, snapshot


def test_the_penaltys_gradient_is_weight_times_distance():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    centres = snapshot(model)
    weights = {name: torch.rand_like(p) for name, p in model.named_parameters() if name != "1.bias"}
    assert half_square(model, weights, centres) == 0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)
    penalty = half_square(model, weights, centres)
    (7 * penalty).backward()
    expected = 0.0
    for name, parameter in model.named_parameters():
        if name == "1.bias":
            assert parameter.grad is None
            continue
        offset = parameter.detach() - centres[name]
        torch.testing.assert_close(parameter.grad, 7 * weights[name] * offset)
        expected += 0.5 * (weights[name] * offset**2).sum()
    torch.testing.assert_close(penalty.detach(), expected)


def test_the_penalty_covers_grown_parameters_in_their_old_part():
    model = nn.Linear(3, 4)
    held = fit({"weight": torch.ones(2, 3), "bias": torch.ones(2), "gone": torch.ones(1)}, model)
    assert held["weight"].tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 2
    assert held["bias"].tolist() == [1.0, 1.0, 0.0, 0.0] and "gone" not in held
