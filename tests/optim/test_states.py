"""States of other optimizers and other programs are refused in words, or repaired, when loaded."""

import copy

import pytest
import torch
from torch import nn
from trajectories import assert_same, tiny_params, train

from nanocl import optim


def test_the_state_of_torchs_adamw_is_refused_and_changes_nothing(make):
    params = tiny_params()
    theirs = torch.optim.AdamW(params)
    train(params, theirs, 2)
    ours = make(params, lr=0.125)
    train(params, ours, 1)
    before = copy.deepcopy(ours.state_dict())
    with pytest.raises(ValueError, match="cannot load the state of another optimizer: a group l"):
        ours.load_state_dict(theirs.state_dict())
    after = ours.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert all(state["step"] == 1 for state in after["state"].values())


def test_entries_of_torchs_adamw_under_groups_of_ours_are_refused(make):
    params = tiny_params()
    theirs = torch.optim.AdamW(params)
    train(params, theirs, 2)
    ours = make(params)
    mixed = {**ours.state_dict(), "state": theirs.state_dict()["state"]}
    with pytest.raises(ValueError, match=r"lacks \[.*\] and has \[exp_avg, exp_avg_sq\]"):
        ours.load_state_dict(mixed)


def test_no_optimizer_of_ours_takes_the_state_of_a_sparse_nanoadam():
    params = tiny_params()
    source = optim.NanoAdam(params, density=0.3)
    train(params, source, 2)
    for name in set(optim.__all__) - {"StepInBackward", "NanoAdam", "dense_groups"}:
        target = getattr(optim, name)(params)
        with pytest.raises((ValueError, RuntimeError), match=r"state of another optimizer"):
            target.load_state_dict(source.state_dict())


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_numbers_that_another_program_made_tensors_of_are_numbers_again(make, kind):
    whole, resumed = tiny_params(), tiny_params()
    optimizer = make(whole)
    train(whole, optimizer, 9)
    first = make(resumed)
    train(resumed, first, 4)
    saved = copy.deepcopy(first.state_dict())
    for state in saved["state"].values():
        for name in ("step", "numel", "chosen", "chunk", "block", "bucket"):
            if name in state:
                state[name] = torch.tensor(state[name], dtype=kind)
    second = make(resumed)
    second.load_state_dict(saved)
    train(resumed, second, 5, first=4)
    assert_same(whole, resumed)
    assert all(type(state["step"]) is int for state in second.state.values())


def test_a_state_without_a_parameter_that_had_no_gradient_loads(make):
    params = tiny_params()
    optimizer = make(params)
    params[0].grad = torch.ones_like(params[0])
    optimizer.step()
    other = make(params)
    other.load_state_dict(optimizer.state_dict())
    train(params, other, 1)
    assert [state["step"] for state in other.state.values()] == [2, 1, 1]


FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2]


@pytest.mark.parametrize("dtype", [*FLOAT8, torch.int32, torch.complex64], ids=str)
def test_parameters_of_other_types_are_refused_when_the_optimizer_is_made(make, dtype):
    param = nn.Parameter(torch.zeros(8).to(dtype), requires_grad=False)
    message = f"takes float16, bfloat16, float32 or float64 parameters, got {dtype}"
    with pytest.raises(ValueError, match=message):
        make([param])
    optimizer = make(tiny_params())
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": [param]})
    assert len(optimizer.param_groups) == 1


def test_the_default_device_of_torch_has_no_part_in_a_step(make):
    """`meta` stands for any other device: a tensor made there could not be used."""
    params, expected = tiny_params(), tiny_params()
    train(expected, make(expected), 7)
    optimizer = make(params)
    gradients = []
    for step in range(7):
        train(copy.deepcopy(expected), make(expected), 0)
        generator = torch.Generator().manual_seed(1000 + step)
        gradients.append([torch.randn(param.shape, generator=generator) for param in params])
    with torch.device("meta"):
        for step in range(7):
            for param, gradient in zip(params, gradients[step], strict=True):
                param.grad = gradient
            optimizer.step()
            saved = optimizer.state_dict()
            optimizer.load_state_dict(saved)
    assert_same(params, expected)


@pytest.mark.parametrize("fused", [True, False])
def test_the_default_device_has_no_part_in_selections_of_either_path(fused):
    makers = {
        "NanoAdam": {"select": "random", "mask_interval": 1},
        "MicroAdam": {},
        "MoFO": {},
        "LIFT": {"rank": 1, "mask_interval": 1},
        "PaFi": {},
        "CautiousAdamW": {},
    }
    for name, options in makers.items():
        param = nn.Parameter(torch.linspace(-1, 1, 64).reshape(8, 8))
        gradient = torch.ones(8, 8)
        with torch.device("meta"):
            optimizer = getattr(optim, name)([param], fused=fused, **options)
            param.grad = gradient
            optimizer.step()
            optimizer.step()
        assert param.isfinite().all()
