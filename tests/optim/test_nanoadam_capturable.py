"""NanoAdam with `capturable`: the ordinary steps, of which no number comes from the host."""

import math
from collections import Counter

import pytest
import torch
from capturable import CASES, IDS, INTERVAL, made, ordinary, schedule, take_steps
from replay import Recording
from torch import nn
from trajectories import assert_same, gradients_of, make_params, train
from waits import DEVICE, Waits

from nanocl.optim import NanoAdam, _base

# every case with float32 parameters, some with bfloat16 ones
EACH = [(options, torch.float32) for options in CASES]
EACH += [(CASES[place], torch.bfloat16) for place in (0, 6, 7)]


def numbers(state):
    """A state with its counts as numbers."""
    return {k: int(v) if k in ("step", "chosen") else v for k, v in state.items()}


def assert_same_states(optimizer, other):
    for one, two in zip(optimizer.state.values(), other.state.values(), strict=True):
        one, two = numbers(one), numbers(two)
        assert one.keys() == two.keys()
        for name, value in one.items():
            tensor = torch.is_tensor(value)
            assert torch.equal(value, two[name]) if tensor else value == two[name], name


@pytest.mark.parametrize(("options", "dtype"), EACH)
def test_steps_are_the_ordinary_ones_bit_for_bit(options, dtype):
    if dtype == torch.bfloat16:
        options = {**options, "weight_rounding": "stochastic"}
    params, expected = make_params(dtype=dtype), make_params(dtype=dtype)
    optimizer = made(params, options, capturable=True, mask_interval=INTERVAL)
    other = ordinary(expected, options)
    take_steps(params, optimizer, range(50))
    take_steps(expected, other, range(50))
    assert_same(params, expected)
    assert_same_states(optimizer, other)


def replayed(params, optimizer, capturing, steps):
    """Record the second step and replay it; `select` is called when `mask_interval` demands it."""
    take_steps(params, optimizer, [0])
    for param in params:
        param.grad = torch.empty_like(param)
    recording = None
    for step in range(1, steps):
        for param, gradient in zip(params, gradients_of(params, step), strict=True):
            param.grad.copy_(gradient)
        schedule(optimizer, step)
        if step % INTERVAL == 0:
            optimizer.select()
        if recording is None:
            capturing(True)
            recording = Recording(optimizer.step)
            capturing(False)
        else:
            recording.replay()


@pytest.mark.parametrize(("options", "dtype"), EACH)
def test_replayed_steps_are_the_ordinary_ones_bit_for_bit(options, dtype, capturing):
    params, expected = make_params(dtype=dtype), make_params(dtype=dtype)
    optimizer = made(params, options, capturable=True, mask_interval=INTERVAL)
    other = ordinary(expected, options)
    replayed(params, optimizer, capturing, 50)
    take_steps(expected, other, range(50))
    assert_same(params, expected)
    assert_same_states(optimizer, other)


@pytest.mark.parametrize("options", CASES[:4], ids=IDS[:4])
def test_a_selection_can_be_replayed_too(options, capturing):
    params, expected = make_params(), make_params()
    optimizers = [made(own, options, capturable=True) for own in (params, expected)]
    take_steps(params, optimizers[0], range(3))
    take_steps(expected, optimizers[1], range(3))
    capturing(True)
    recording = Recording(optimizers[0].select)
    capturing(False)
    optimizers[1].select()
    for first in (3, 6, 9):
        take_steps(params, optimizers[0], range(first, first + 3))
        take_steps(expected, optimizers[1], range(first, first + 3))
        recording.replay()
        optimizers[1].select()
    assert_same(params, expected)
    assert_same_states(*optimizers)


def test_float64_steps_are_the_ordinary_ones():
    params, expected = make_params(dtype=torch.float64), make_params(dtype=torch.float64)
    optimizer = made(params, {}, capturable=True, mask_interval=INTERVAL)
    take_steps(params, optimizer, range(30))
    take_steps(expected, ordinary(expected, {}), range(30))
    for one, other in zip(params, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


def read_by_the_host(monkeypatch, options, **more):
    """What the host waits for in steps with and without a selection."""
    # it refuses parameters without values
    monkeypatch.setattr(_base, "check_plain", lambda param, name: None)
    with Waits() as mode:
        params = [nn.Parameter(torch.empty(7, 5, device=DEVICE)) for _ in range(3)]
        optimizer = made(params, options, mask_interval=2, weight_rounding="stochastic", **more)
        before = Counter(mode.counts)
        for step in range(4):
            for param in params:
                param.grad = torch.empty_like(param)
            schedule(optimizer, step)
            optimizer.step()
        if more.get("capturable"):
            optimizer.select()
    return mode.counts - before


@pytest.mark.parametrize("options", CASES[1:], ids=IDS[1:])
def test_the_host_reads_no_value_of_a_step_or_selection(monkeypatch, options):
    assert read_by_the_host(monkeypatch, options, capturable=True) == Counter()
    assert read_by_the_host(monkeypatch, options, fused=False)["item"] > 0  # lr


def test_steps_and_selections_keep_every_address():
    params = make_params()
    optimizer = made(params, {}, capturable=True, mask_interval=3)
    train(params, optimizer, 1)

    def addresses():
        tensors = [t for state in optimizer.state.values() for t in state.values()]
        return [tensor.data_ptr() for tensor in tensors if torch.is_tensor(tensor)]

    before = addresses()
    train(params, optimizer, 7, first=1)
    optimizer.select()
    assert addresses() == before and len(before) == 2 * 7 + 2 * 3


def on_gpu(dtype):
    return [nn.Parameter(param.detach().cuda()) for param in make_params(dtype=dtype)]


def set_gradients(params, step):
    """In place, because a graph holds the addresses of gradients."""
    drawn = gradients_of([param.cpu() for param in params], step)
    for param, gradient in zip(params, drawn, strict=True):
        if param.grad is None:
            param.grad = torch.empty_like(param)
        param.grad.copy_(gradient)


def captured(params, optimizer, steps):
    """As `replayed`, with a graph on a GPU."""
    graph = torch.cuda.CUDAGraph()
    for step in range(steps):
        set_gradients(params, step)
        schedule(optimizer, step)
        if step and step % INTERVAL == 0:
            optimizer.select()
        if step == 1:  # a capture takes no step
            with torch.cuda.graph(graph):
                optimizer.step()
        graph.replay() if step else optimizer.step()


def eager(params, optimizer, steps):
    for step in range(steps):
        set_gradients(params, step)
        schedule(optimizer, step)
        optimizer.step()


def trained_on_gpu(inputs, *, in_graph):
    """A layer after a step for each batch, captured as the docstring of `NanoAdam` says."""
    torch.manual_seed(0)
    model = nn.Linear(40, 30).cuda()
    lr = torch.tensor(0.01, device="cuda")
    optimizer = NanoAdam(model.parameters(), lr, capturable=True, mask_interval=INTERVAL)
    batch, graph, side = inputs[0].clone(), torch.cuda.CUDAGraph(), torch.cuda.Stream()

    def train_once():
        model(batch).square().mean().backward()
        optimizer.step()

    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        train_once()
    torch.cuda.current_stream().wait_stream(side)
    optimizer.zero_grad()
    if in_graph:
        with torch.cuda.graph(graph):
            train_once()
    for number, rows in enumerate(inputs):
        if number % INTERVAL == 0:
            optimizer.select()
        batch.copy_(rows)
        if in_graph:
            graph.replay()
        else:
            train_once()
            optimizer.zero_grad()
    return list(model.parameters())


@pytest.mark.gpu
def test_a_whole_training_step_on_a_gpu_can_be_captured():
    inputs = torch.randn(20, 16, 40, device="cuda")
    assert_same(trained_on_gpu(inputs, in_graph=True), trained_on_gpu(inputs, in_graph=False))


@pytest.mark.gpu
@pytest.mark.parametrize("options", CASES, ids=IDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("fused", [False, True])
def test_a_captured_step_on_a_gpu_takes_the_ordinary_steps(options, dtype, fused):
    params, same, expected = on_gpu(dtype), on_gpu(dtype), on_gpu(dtype)
    more = {"capturable": True, "mask_interval": INTERVAL, "fused": fused}
    optimizers = [made(own, options, **more) for own in (params, same)]
    captured(params, optimizers[0], 22)
    eager(same, optimizers[1], 22)
    eager(expected, ordinary(expected, options), 22)
    assert_same(params, same)
    assert_same_states(*optimizers)
    near = 1e-5 if dtype == torch.float32 else 0.02
    for one, two in zip(params, expected, strict=True):
        far = (one - two).abs() > near * (1 + two.abs())
        # rounding may change what is selected
        assert far.sum() <= math.ceil(0.02 * far.numel())
