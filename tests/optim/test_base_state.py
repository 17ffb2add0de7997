"""What every optimizer of nanocl.optim keeps about a parameter, copies, saves and loads."""

import copy
import pickle
from collections import defaultdict

import pytest
import torch
from torch import nn
from trajectories import assert_same, tiny_params, train


def test_a_wiped_state_starts_as_a_fresh_optimizer(make):
    params = tiny_params()
    optimizer = make(params)
    train(params, optimizer, 4)
    fresh = [nn.Parameter(param.detach().clone()) for param in params]
    optimizer.state = defaultdict(dict)
    train(params, optimizer, 6)
    train(fresh, make(fresh), 6)
    assert_same(params, fresh)


def test_no_two_parameters_have_the_same_random_bits_when_heads_are_replaced(make):
    params = tiny_params()
    optimizer = make(params)
    train(params, optimizer, 1)
    for _ in range(3):  # an output layer is replaced and its state dropped
        new = nn.Parameter(torch.ones_like(params[0]))
        del optimizer.state[params[0]]
        optimizer.param_groups[0]["params"][0] = params[0] = new
        train(params, optimizer, 1)
    keys = [state["key"] for state in optimizer.state.values() if "key" in state]
    assert len(set(keys)) == len(keys)


def test_a_grown_head_with_an_empty_state_trains_beside_the_others(make):
    params = tiny_params()
    optimizer = make(params)
    train(params, optimizer, 4)
    grown = nn.Parameter(torch.cat([params[1].detach(), torch.zeros(3)]))
    optimizer.state.pop(params[1])
    optimizer.state[grown] = {}
    params[1] = grown
    optimizer.param_groups[0]["params"][1] = grown
    train(params, optimizer, 4, first=4)
    assert optimizer.state[grown]["step"] == 4 and optimizer.state[params[0]]["step"] == 8
    assert grown.isfinite().all()


@pytest.mark.parametrize("way", ["copy", "pickle"])
def test_a_copied_optimizer_continues_with_the_same_bits(make, way):
    params = tiny_params()
    optimizer = make(params)
    train(params, optimizer, 4)
    both = params, optimizer
    twins, twin = copy.deepcopy(both) if way == "copy" else pickle.loads(pickle.dumps(both))
    train(params, optimizer, 5, first=4)
    train(twins, twin, 5, first=4)
    assert_same(params, twins)


def test_loading_copies_the_state_and_keeps_every_dtype(make):
    params = tiny_params(dtype=torch.bfloat16)
    optimizer = make(params)
    train(params, optimizer, 4)
    saved = copy.deepcopy(optimizer.state_dict())
    other = make(params)
    other.load_state_dict(optimizer.state_dict())
    train(params, other, 3)
    for number, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if torch.is_tensor(value):
                assert torch.equal(value, saved["state"][number][key])
                assert other.state[params[number]][key].dtype == value.dtype


def test_hooks_around_loading_see_and_change_the_state(make):
    params = tiny_params()
    optimizer = make(params)
    train(params, optimizer, 2)
    other, seen = make(params), []
    other.register_load_state_dict_pre_hook(lambda _, state: {**state, "state": {}})
    other.register_load_state_dict_post_hook(lambda loaded: seen.append(len(loaded.state)))
    other.load_state_dict(optimizer.state_dict())
    assert seen == [0]


def test_two_instances_share_nothing(make):
    first, second, alone = tiny_params(), tiny_params(), tiny_params()
    both = make(first), make(second)
    for step in range(5):
        train(first, both[0], 1, first=step)
        train(second, both[1], 1, first=step + 50)
    train(alone, make(alone), 5)
    assert_same(first, alone)


@pytest.mark.parametrize("options", [{}, {"density": 1.0}], ids=str)
def test_a_parameter_resized_in_place_is_refused_until_its_state_is_empty(make, options):
    for size in (50, 500):
        param = nn.Parameter(torch.ones(20, 10))
        optimizer = make([param], **(options if "density" in make([param]).defaults else {}))
        train([param], optimizer, 2)
        param.data = torch.ones(size, 10)
        with pytest.raises(RuntimeError, match=rf"200 entries .* shape \({size}, 10\)"):
            train([param], optimizer, 1)
        optimizer.state[param] = {}
        train([param], optimizer, 2)


def test_a_state_of_another_model_is_refused(make):
    large, small = nn.Parameter(torch.ones(90)), nn.Parameter(torch.ones(9))
    first, second = make([large]), make([small])
    train([large], first, 2)
    second.load_state_dict(first.state_dict())
    with pytest.raises(RuntimeError, match="90 entries"):
        train([small], second, 1)


def test_predicted_bytes_are_those_of_the_state(make):
    for dtype in (torch.float32, torch.bfloat16):
        params = tiny_params(dtype=dtype)
        optimizer = make(params)
        train(params, optimizer, 1)
        tensors = [
            value
            for state in optimizer.state.values()
            for value in state.values()
            if torch.is_tensor(value)
        ]
        meta = make([nn.Parameter(torch.empty_like(param, device="meta")) for param in params])
        counted = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        assert optimizer.state_bytes() == meta.state_bytes() == counted
