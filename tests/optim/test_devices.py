"""Every optimizer on every device: the steps of plain PyTorch, states that move, exact repeats."""

import inspect

import pytest
import torch
from torch import nn

from nanocl.optim import CLASSP, StepInBackward

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
SHAPES = (40, 30), (40,), (7, 11)


def parameters(device, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator) for shape in SHAPES]
    return [nn.Parameter(weight.to(device, dtype)) for weight in drawn]


def take_steps(optimizer, params, steps):
    """Steps with gradients drawn on the CPU, so that every device and place has the same."""
    for step in steps:
        for param in params:
            generator = torch.Generator().manual_seed(1000 * step + param.numel())
            drawn = torch.randn(param.shape, generator=generator)
            param.grad = drawn.to(param.device, param.dtype)
        optimizer.step()


def trained(make, device, **options):
    params = parameters(device)
    optimizer = make(params, lr=0.01, **options)
    take_steps(optimizer, params, range(8))
    return params


def plain(make):
    """The option that demands plain PyTorch, where the optimizer has kernels."""
    kind = type(make(parameters("cpu")))
    return {"fused": False} if "fused" in inspect.signature(kind).parameters else {}


def assert_nearly_all_close(left, right):
    """Rounding may change which of two nearly equal weights is selected; the rest is equal."""
    for one, other in zip(left, right, strict=True):
        apart = (one.detach().cpu() - other.detach().cpu()).abs() > 1e-5
        assert apart.sum() <= 0.01 * one.numel()


@pytest.mark.parametrize("device", DEVICES)
def test_steps_on_a_device_are_those_of_plain_pytorch_on_the_cpu(make, device):
    assert_nearly_all_close(trained(make, device), trained(make, "cpu", **plain(make)))


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_steps_on_one_device_give_the_same_bits(make, device):
    for one, other in zip(trained(make, device), trained(make, device), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("target", DEVICES)
def test_a_state_saved_on_one_device_goes_on_on_another(make, device, target):
    params = parameters(device)
    optimizer = make(params, lr=0.01)
    take_steps(optimizer, params, range(4))
    moved = [nn.Parameter(param.detach().to(target)) for param in params]
    resumed = make(moved, lr=0.01)
    resumed.load_state_dict(optimizer.state_dict())
    take_steps(resumed, moved, range(4, 8))
    take_steps(optimizer, params, range(4, 8))
    assert_nearly_all_close(moved, params)


@pytest.mark.parametrize("device", DEVICES)
def test_bfloat16_weights_on_a_device_follow_those_in_plain_pytorch(make, device):
    ours, expected = parameters(device, torch.bfloat16), parameters("cpu", torch.bfloat16)
    take_steps(make(ours, lr=0.01), ours, range(4))
    take_steps(make(expected, lr=0.01, **plain(make)), expected, range(4))
    for one, other in zip(ours, expected, strict=True):
        # one step in the last of 8 bits, since sums round at other places
        apart = (one.float().cpu() - other.float()).abs() > 2**-7 * (1 + other.float().abs())
        assert apart.sum() <= 0.01 * one.numel()


@pytest.mark.parametrize("device", DEVICES)
def test_layouts_other_than_rows_take_the_same_steps(make, device):
    weight = torch.randn(6, 8, 5, 5, generator=torch.Generator().manual_seed(1))
    rows = nn.Parameter(weight.to(device))
    channels = nn.Parameter(weight.to(device, memory_format=torch.channels_last))
    for param in (rows, channels):
        take_steps(make([param], lr=0.01), [param], range(3))
    assert_nearly_all_close([rows], [channels.detach().contiguous()])


@pytest.mark.parametrize("device", DEVICES)
def test_a_gradient_with_the_negative_bit_counts_with_its_sign(make, device):
    lazy, plainly = parameters(device)[0], parameters(device)[0]
    for param, flip in ((lazy, torch._neg_view), (plainly, torch.neg)):
        optimizer = make([param], lr=0.01)
        param.grad = flip(torch.ones_like(param))
        optimizer.step()
    assert_nearly_all_close([lazy], [plainly])


@pytest.mark.parametrize("device", DEVICES)
def test_steps_in_the_backward_pass_are_the_steps_after_it(make, device):
    inputs = torch.randn(16, 12, generator=torch.Generator().manual_seed(2)).to(device)
    networks = []
    for in_backward in (False, True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 2)).to(device)
        optimizer = make(network.parameters(), lr=0.01)
        if in_backward:
            StepInBackward(optimizer)
        for _ in range(4):
            network(inputs).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        networks.append(network)
    for one, other in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(one, other)


@pytest.mark.gpu
def test_weights_on_two_devices_are_trained_together(make):
    on_cpu, on_gpu = parameters("cpu"), parameters("cuda")
    together = make([{"params": on_cpu}, {"params": on_gpu}], lr=0.01)
    take_steps(together, [*on_cpu, *on_gpu], range(4))
    # at the same places in the optimizer, since random numbers differ between places
    first, second = parameters("cpu"), parameters("cpu")
    alone = make([{"params": first}, {"params": second}], lr=0.01)
    take_steps(alone, [*first, *second], range(4))
    assert_nearly_all_close([*on_cpu, *on_gpu], [*first, *second])


@pytest.mark.gpu
def test_training_with_a_gradient_scaler_in_half_precision_learns_on_a_gpu(make):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 2)).cuda()
    inputs = torch.randn(256, 8, device="cuda")
    targets = (inputs[:, 0] > 0).long()
    # CLASSP alone leaves out small gradients altogether
    options = {"threshold": 0.0} if type(make([nn.Parameter(torch.ones(1))])) is CLASSP else {}
    optimizer = make(network.parameters(), lr=0.03, **options)
    scaler = torch.amp.GradScaler("cuda")
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.float16):
            loss = nn.functional.cross_entropy(network(inputs), targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.01
