"""Every optimizer reads the values of a gradient, however torch stores them."""

import inspect
import subprocess
import sys

import pytest
import torch
from torch import nn

from nanocl import optim

OPTIMIZERS = sorted(set(optim.__all__) - {"StepInBackward", "dense_groups"})
WRAPPED = """
import sys
import torch
from torch import nn
from torch.testing._internal.two_tensor import TwoTensor
from nanocl import optim

param = nn.Parameter(TwoTensor(torch.ones(64), torch.ones(64)))
param.grad = TwoTensor(torch.ones(64), torch.ones(64))
for name in sys.argv[1:]:
    try:
        getattr(optim, name)([param], lr=0.1).step()
    except RuntimeError as error:
        print(error, flush=True)
"""


def stepped(name: str, gradient: torch.Tensor, *, plain: bool = False) -> torch.Tensor:
    """The weights after three steps with one gradient; `plain`: in plain PyTorch."""
    param = nn.Parameter(torch.linspace(1, 2, 64).reshape(8, 8))
    cls = getattr(optim, name)
    has_kernels = "fused" in inspect.signature(cls).parameters
    optimizer = cls([param], lr=0.1, **({"fused": False} if plain and has_kernels else {}))
    param.grad = gradient
    for _ in range(3):
        optimizer.step()
    return param.detach()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_whose_sign_torch_delays_is_read_with_its_sign(name):
    values = torch.linspace(-1, 1, 64).reshape(8, 8)
    delayed = torch._neg_view(values)
    assert delayed.is_neg()
    assert torch.equal(stepped(name, delayed), stepped(name, -values, plain=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zeros_without_memory_are_zeros(name):
    zeros = torch._efficientzerotensor((8, 8))
    assert torch.equal(stepped(name, zeros), stepped(name, torch.zeros(8, 8), plain=True))


def test_the_published_example():
    param = nn.Parameter(torch.ones(8))
    param.grad = torch._neg_view(torch.ones(8))
    optim.NanoAdam([param], lr=0.01, density=1.0).step()
    assert param[0].item() == pytest.approx(1.01)


def test_a_wrapper_of_other_tensors_is_refused_in_one_line():
    """In a process of its own: a kernel that read address 0 would end it."""
    ended = subprocess.run(
        [sys.executable, "-c", WRAPPED, *OPTIMIZERS], capture_output=True, text=True, check=False
    )
    refused = [
        f"{name} takes plain tensors, got a parameter of type TwoTensor" for name in OPTIMIZERS
    ]
    assert ended.stdout.splitlines() == refused, ended.stderr
    assert ended.returncode == 0, ended.stderr
