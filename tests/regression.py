"""The small regression of torch's own optimizer tests."""

import torch
from torch import nn


def regression(contiguous=True, dtype=torch.float32):
    """Weight, bias, input and target of torch's test of the direction."""
    generator = torch.Generator().manual_seed(0)
    if contiguous:
        weight = torch.randn(10, 5, generator=generator)
        bias = torch.randn(10, generator=generator)
    else:
        weight = torch.randn(10, 5, 2, generator=generator)[..., 0]
        bias = torch.randn(10, 2, generator=generator)[..., 0]
    inputs = torch.randn(5, generator=generator)
    return nn.Parameter(weight.to(dtype)), nn.Parameter(bias.to(dtype)), inputs.to(dtype)


def closure_of(optimizer, weight, bias, inputs):
    def closure():
        optimizer.zero_grad()
        loss = (weight.mv(inputs) + bias).pow(2).sum()
        loss.backward()
        return loss

    return closure
