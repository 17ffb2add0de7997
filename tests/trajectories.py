"""Parameters, gradients that depend on the step alone, and steps of an optimizer on both."""

import torch
from torch import nn

from nanocl.optim._plain.selection import flat_index

SHAPES = ((17, 9), (13,), (1,), ())


def make_params(shapes=SHAPES, dtype=torch.float32, seed=0, scales=None):
    """Normal parameters, those of one seed equal; each may have a scale of its own."""
    generator = torch.Generator().manual_seed(seed)
    params = []
    for shape, scale in zip(shapes, scales or [1.0] * len(shapes), strict=True):
        drawn = torch.randn(shape, generator=generator) * scale
        params.append(nn.Parameter(drawn.to(dtype)))
    return params


def tiny_params(seed=0, dtype=torch.float32):
    """A matrix, a vector and a scalar."""
    return make_params(((12, 11), (7,), ()), dtype, seed)


def weights_of(numel, seed, dtype, grain):
    """Normal weights; rounded to a coarse grid they have many ties and zeros."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(numel, generator=generator, dtype=torch.float64)
    return ((drawn * grain).round() / grain if grain else drawn).to(dtype)


def gradients_of(params, step, missing=False):
    """The gradient of each parameter at that step; with `missing`, every fifth is None."""
    generator = torch.Generator().manual_seed(1000 + step)
    drawn = [torch.randn(param.shape, generator=generator).to(param.dtype) for param in params]
    return [None if missing and (step + i) % 5 == 0 else grad for i, grad in enumerate(drawn)]


def train(params, optimizer, steps, first=0, missing=False):
    """Take steps `first`, `first + 1`, ...; a resumed run begins where the other stopped."""
    for step in range(first, first + steps):
        for param, gradient in zip(params, gradients_of(params, step, missing), strict=True):
            param.grad = gradient
        optimizer.step()


def assert_follows(params, optimizer, reference, steps, atol):
    """The optimizer, with some gradients missing, ends where the slow reference ends."""
    for step in range(steps):
        train(params, optimizer, 1, first=step, missing=True)
        reference.step(gradients_of(params, step, missing=True))
    for param, expected in zip(params, reference.params, strict=True):
        torch.testing.assert_close(param.detach().flatten(), expected, rtol=0, atol=atol)


def assert_same(left, right):
    """Both have the same tensors, bit for bit."""
    assert all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def assert_close(left, right):
    """Both have the same tensors, up to rounding in float32."""
    for one, other in zip(left, right, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def assert_close_to_adamw(make, steps):
    """The optimizer takes the steps of torch's AdamW with lr 0.01 and weight decay 0.1."""
    params, expected = make_params(), make_params()
    train(params, make(params), steps)
    adamw = torch.optim.AdamW(expected, lr=0.01, weight_decay=0.1, foreach=False)
    train(expected, adamw, steps)
    assert_close(params, expected)


def selected(optimizer, param):
    """Positions of the selected entries of a parameter, flat."""
    state = optimizer.state[param]
    return flat_index(state["start"], state["offset"], state["chunk"])


def state_bytes(optimizer, param):
    """Bytes of the state tensors of a parameter."""
    return sum(t.nbytes for t in optimizer.state[param].values() if torch.is_tensor(t))
