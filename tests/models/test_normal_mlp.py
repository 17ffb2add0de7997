"""The layers of `mlp` with normally distributed weights and biases."""

import pytest
import torch

from nanocl.models.mlp import MLP
from nanocl.models.normal_mlp import NormalMLP


def test_weights_and_biases_of_all_layers_have_the_deviation():
    torch.manual_seed(0)
    model = NormalMLP((28, 28), width=300, depth=2, deviation=0.5)
    for parameter in (*model.parameters(), *model.make_head(400).parameters()):
        # a standard deviation of n values is uncertain by 1 / sqrt(2 n) of itself
        error = 0.5 / (2 * parameter.numel()) ** 0.5
        assert float(parameter.detach().std()) == pytest.approx(0.5, abs=5 * error)
        assert abs(float(parameter.detach().mean())) < 5 * 0.5 / parameter.numel() ** 0.5


def test_it_computes_as_the_mlp_with_the_same_weights():
    model, mlp = NormalMLP((1, 4, 4)), MLP((1, 4, 4), width=100, depth=1)
    mlp.load_state_dict(model.mlp.state_dict())
    inputs = torch.rand(3, 1, 4, 4)
    assert torch.equal(model(inputs), mlp(inputs))


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ValueError, match="deviation must be above 0, got 0"):
        NormalMLP((2,), deviation=0.0)
