"""Steps of an optimizer on gradients that depend on the number of the step alone."""

import torch

from nanocl.optim._plain.selection import flat_index


def gradients_of(params, step):
    """The gradient of each parameter at that step."""
    generator = torch.Generator().manual_seed(1000 + step)
    return [torch.randn(param.shape, generator=generator).to(param.dtype) for param in params]


def train(params, optimizer, steps, first=0):
    """Take steps `first`, `first + 1`, ...; a resumed run begins where the other stopped."""
    for step in range(first, first + steps):
        for param, gradient in zip(params, gradients_of(params, step), strict=True):
            param.grad = gradient
        optimizer.step()


def selected(optimizer, param):
    """Places of the selected entries of a parameter, flat."""
    state = optimizer.state[param]
    return flat_index(state["start"], state["offset"], state["chunk"])
