"""The cases of torch's own optimizer tests about state dicts, copies and hooks."""

import copy
import pickle

import pytest
import torch
from regression import closure_of, regression
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from trajectories import assert_same, tiny_params, train


def test_an_optimizer_can_be_printed_after_a_state_dict(make):
    optimizer = make(tiny_params())
    text = repr(optimizer)
    optimizer.load_state_dict(optimizer.state_dict())
    assert repr(optimizer) == text and type(optimizer).__name__ in text


def test_a_state_dict_is_deterministic(make):
    """Two copies continue alike, with closures, from one state dict."""
    weight, bias, inputs = regression()
    optimizer = make([weight, bias], lr=0.01)
    for _ in range(10):
        optimizer.step(closure_of(optimizer, weight, bias, inputs))
    weight_c, bias_c = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    copied = make([weight_c, bias_c])
    saved = optimizer.state_dict()
    copied.load_state_dict(copy.deepcopy(saved))
    for _ in range(10):
        optimizer.step(closure_of(optimizer, weight, bias, inputs))
        copied.step(closure_of(copied, weight_c, bias_c, inputs))
        assert_same([weight, bias], [weight_c, bias_c])
    assert optimizer.state_dict()["param_groups"] == copied.state_dict()["param_groups"]


def test_saving_and_loading_with_weights_only_keeps_the_state_equal(make, tmp_path):
    weight, bias, inputs = regression()
    optimizer = make([weight, bias], lr=0.01)
    for _ in range(3):
        optimizer.step(closure_of(optimizer, weight, bias, inputs))
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    loaded = torch.load(tmp_path / "state.pt", weights_only=True)
    saved = optimizer.state_dict()
    assert loaded["param_groups"] == saved["param_groups"]
    for number, state in saved["state"].items():
        assert state.keys() == loaded["state"][number].keys()
        for key, value in state.items():
            other = loaded["state"][number][key]
            assert torch.equal(value, other) if torch.is_tensor(value) else value == other


@pytest.mark.parametrize("named", [(True, True), (True, False), (False, True)], ids=str)
def test_states_load_from_and_to_named_parameters(make, named):
    models = [nn.Linear(5, 3), nn.Linear(5, 3)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [
        make(list(model.named_parameters() if has_names else model.parameters()), lr=0.05)
        for model, has_names in zip(models, named, strict=True)
    ]
    models[0](torch.ones(2, 5)).square().sum().backward()
    optimizers[0].step()
    models[1].load_state_dict(models[0].state_dict())
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    for model, optimizer in zip(models, optimizers, strict=True):
        optimizer.zero_grad()
        model(torch.ones(2, 5)).square().sum().backward()
        optimizer.step()
    assert_same(models[0].parameters(), models[1].parameters())
    assert optimizers[1].param_groups[0]["param_names"] == ["weight", "bias"]


def test_hooks_of_a_step_see_its_arguments_and_run_in_order(make):
    params, calls = tiny_params(), []
    optimizer = make(params)
    handles = [
        register_optimizer_step_pre_hook(lambda *_: calls.append("all before")),
        optimizer.register_step_pre_hook(lambda *_: calls.append("before")),
        optimizer.register_step_post_hook(lambda *_: calls.append("after")),
        register_optimizer_step_post_hook(lambda *_: calls.append("all after")),
    ]
    optimizer.step()
    assert calls == ["all before", "before", "after", "all after"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(calls) == 4


def test_hooks_of_a_state_dict_may_change_it(make):
    params = tiny_params()
    optimizer = make(params)
    train(params, optimizer, 1)
    seen = []
    before = optimizer.register_state_dict_pre_hook(lambda _: seen.append("before"))
    after = optimizer.register_state_dict_post_hook(lambda _, state: {**state, "extra": 1})
    assert optimizer.state_dict()["extra"] == 1 and seen == ["before"]
    before.remove()
    after.remove()
    assert "extra" not in optimizer.state_dict()


def test_hooks_of_loading_run_in_the_order_of_prepend(make):
    params, calls = tiny_params(), []
    optimizer = make(params)
    train(params, optimizer, 1)
    optimizer.register_load_state_dict_pre_hook(lambda *_: calls.append("second"))
    optimizer.register_load_state_dict_pre_hook(lambda *_: calls.append("first"), prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda _: calls.append("fourth"))
    optimizer.register_load_state_dict_post_hook(lambda _: calls.append("third"), prepend=True)
    optimizer.load_state_dict(optimizer.state_dict())
    assert calls == ["first", "second", "third", "fourth"]


def test_a_deep_copy_has_all_public_attributes(make):
    def public(optimizer):
        return {name for name in optimizer.__dict__ if not name.startswith("_")}

    params = tiny_params()
    optimizer = make(params)
    train(params, optimizer, 2)
    for copied in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert public(copied) >= public(optimizer)


def test_a_state_is_not_empty_after_a_step(make):
    """torch's test of `_init_group`: every parameter with a gradient gets a state."""
    params = tiny_params()
    optimizer = make(params)
    train(params, optimizer, 1)
    assert [bool(optimizer.state[param]) for param in params] == [True] * 3
