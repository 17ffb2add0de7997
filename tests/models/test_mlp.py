"""The MLP is its layers, one after the other."""

import torch
from backbones import seeded

from nanocl.models.mlp import MLP


def test_mlp_applies_its_layers_in_order():
    model = seeded(lambda inputs: MLP(inputs, width=7, depth=3), (2, 3, 3))
    inputs = torch.rand(5, 2, 3, 3)
    values = inputs.reshape(5, 18)
    for weight, bias in zip(*[iter(model.state_dict().values())] * 2, strict=True):
        values = (values @ weight.T + bias).clamp(min=0)
    assert torch.allclose(model(inputs), values, atol=1e-6)
    assert MLP((12,))(torch.rand(2, 12)).shape == (2, 400)
