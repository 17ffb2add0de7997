"""NanoAdam's states with and without `capturable`, and what cannot be captured."""

import copy
import pickle

import pytest
import torch
from capturable import CASES, IDS, INTERVAL, made, ordinary, take_steps
from torch import nn
from trajectories import assert_same, gradients_of, make_params, state_bytes, train

from nanocl.optim import NanoAdam, StepInBackward


@pytest.mark.parametrize("options", CASES[:4], ids=IDS[:4])
@pytest.mark.parametrize("capturable", [True, False])
def test_states_with_and_without_the_option_are_interchangeable(options, capturable):
    params, expected = make_params(), make_params()
    first = made(params, options, capturable=capturable, fused=False, mask_interval=INTERVAL)
    take_steps(params, first, range(17))
    second = made(params, options)
    second.load_state_dict(first.state_dict())
    for group in second.param_groups:
        group["capturable"] = not capturable
    take_steps(params, second, range(17, 40))
    take_steps(expected, ordinary(expected, options), range(40))
    assert_same(params, expected)
    assert torch.is_tensor(second.state[params[0]]["step"]) != capturable
    assert torch.is_tensor(first.state[params[0]]["step"]) == capturable


@pytest.mark.parametrize("way", ["load", "pickle"])
def test_states_older_than_the_option_are_loaded_without_it(way):
    params, expected = make_params(), make_params()
    first = ordinary(params, {})
    take_steps(params, first, range(10))
    for options in (first.defaults, *first.param_groups):
        del options["capturable"]
    if way == "load":
        second = made(params, {}, capturable=True)
        second.load_state_dict(first.state_dict())
    else:
        params, second = pickle.loads(pickle.dumps((params, first)))
    assert [group["capturable"] for group in second.param_groups] == [False, False]
    take_steps(params, second, range(10, 20))
    take_steps(expected, ordinary(expected, {}), range(20))
    assert_same(params, expected)


def test_a_copy_made_inside_an_interval_selects_when_the_original_does():
    params = make_params()
    optimizer = made(params, {}, capturable=True, mask_interval=INTERVAL)
    take_steps(params, optimizer, range(10))
    twins, twin = copy.deepcopy((params, optimizer))
    take_steps(params, optimizer, range(10, 20))
    take_steps(twins, twin, range(10, 20))
    assert_same(params, twins)


def test_the_bytes_of_the_counts_are_part_of_the_state():
    params = make_params()
    optimizer = made(params, {}, capturable=True)
    train(params, optimizer, 1)
    assert optimizer.state_bytes() == sum(state_bytes(optimizer, param) for param in params)


def test_compiling_ahead_changes_nothing():
    params, before = make_params(), make_params()
    optimizer = made(params, {}, capturable=True)
    optimizer.compile_ahead()
    assert_same(params, before)
    assert not optimizer.state


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("final_density", 0.1),
        ("density_interval", 5),
        ("betas", (torch.tensor(0.9), 0.99)),
        ("eps", torch.tensor(1e-8)),
        ("weight_decay", torch.tensor(0.1)),
        ("capturable", 1),
    ],
)
def test_options_that_a_graph_cannot_follow_are_refused(option, value):
    with pytest.raises(ValueError, match=f"{option} must be .*got"):
        NanoAdam(make_params(), **{"capturable": True, "total_steps": 9, option: value})


def test_no_kernel_for_the_cpu_counts_on_the_device():
    params = make_params()
    with pytest.raises(ValueError, match=r"fused must be None or False with capturable.*on cpu"):
        train(params, made(params, {}, capturable=True, fused=True), 1)


def test_the_density_cannot_change_under_a_captured_step():
    params = make_params()
    optimizer = made(params, {}, capturable=True)
    train(params, optimizer, 1)
    optimizer.param_groups[0]["density"] = 0.5
    for call in (optimizer.step, optimizer.select):
        with pytest.raises(ValueError, match="density cannot change"):
            call()


def test_a_capture_needs_the_option(capturing):
    params = make_params()
    optimizer = made(params, {})
    train(params, optimizer, 1)
    capturing(True)
    with pytest.raises(RuntimeError, match=r"graph does not replay.*option capturable"):
        optimizer.step()


def test_a_capture_needs_a_step_before_it_also_after_copying(capturing):
    params = make_params()
    optimizer = made(params, {}, capturable=True)
    for param, gradient in zip(params, gradients_of(params, 0), strict=True):
        param.grad = gradient
    capturing(True)
    with pytest.raises(RuntimeError, match=r"first step.*before the capture"):
        optimizer.step()
    capturing(False)
    optimizer.step()
    capturing(True)
    optimizer.step()
    optimizer.select()
    params, optimizer = copy.deepcopy((params, optimizer))
    for param in params:
        param.grad = torch.ones_like(param)  # a gradient is not copied
    for call in (optimizer.step, optimizer.select):
        with pytest.raises(RuntimeError, match=r"copied.*before the capture"):
            call()


def test_a_step_that_has_to_select_cannot_be_captured(capturing):
    params = make_params()
    optimizer = made(params, {}, capturable=True, mask_interval=3)
    train(params, optimizer, 3)
    capturing(True)
    with pytest.raises(RuntimeError, match=r"call select\(\) before the capture and after every 3"):
        optimizer.step()
    capturing(False)
    assert [int(state["step"]) for state in optimizer.state.values()] == [3] * 4
    optimizer.select()
    capturing(True)
    optimizer.step()


def test_an_lr_elsewhere_cannot_be_captured(capturing):
    params = make_params()
    optimizer = made(params, {}, capturable=True)
    train(params, optimizer, 1)
    optimizer.param_groups[1]["lr"] = torch.empty((), device="meta")
    capturing(True)
    with pytest.raises(RuntimeError, match=r"lr must be a number or a tensor on cpu.*on meta"):
        optimizer.step()


def test_a_step_in_the_backward_pass_is_refused_alike(capturing):
    param = nn.Parameter(torch.ones(8))
    StepInBackward(NanoAdam([param]))
    capturing(True)
    with pytest.raises(RuntimeError, match="graph does not replay"):
        param.sum().backward()


@pytest.mark.parametrize("rule", ["gradient", "gallop"])
def test_select_needs_the_option_and_the_gradients_that_it_selects_by(rule):
    params = make_params()
    with pytest.raises(RuntimeError, match="needs a group with capturable=True"):
        made(params, {}).select()
    optimizer = made(params, {"select": rule}, capturable=True)
    train(params, optimizer, 1)
    optimizer.zero_grad()
    with pytest.raises(RuntimeError, match="no gradient"):
        optimizer.select()
