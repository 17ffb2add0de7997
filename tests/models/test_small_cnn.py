"""The small network computes convolution, ReLU and pooling."""

import torch
from backbones import seeded
from torch.nn import functional

from nanocl.models.small_cnn import SmallCNN


def test_small_cnn_computes_convolution_relu_and_pooling_in_any_order_and_layout():
    model = seeded(SmallCNN, (3, 32, 32))
    values = inputs = torch.rand(2, 3, 32, 32)
    for weight, bias in zip(*[iter(model.state_dict().values())] * 2, strict=True):
        values = functional.max_pool2d(functional.conv2d(values, weight, bias, padding=1).relu(), 2)
    assert torch.allclose(model(inputs), values.flatten(1), atol=1e-5)
