"""An option of a group that changes between two steps acts or is refused, never ignored."""

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn
from trajectories import assert_same, gradients_of, tiny_params, train

from nanocl import optim
from nanocl.optim import LIFT, MicroAdam, MoFO, NanoAdam, PaFi

# under these options, each value of CHANGED makes a difference
BASE = {
    "weight_decay": 0.1,
    "density": 0.3,
    "final_density": 0.2,
    "total_steps": 20,
    "mask_interval": 3,
    "density_interval": 4,
    "chunk_size": 50,
    "block_size": 50,
    "quant_block": 8,
    "window": 4,
    "rank": 1,
    "threshold": 0.25,
    "lr": 0.05,
}
CHANGED = {
    "lr": 0.2,
    "betas": (0.5, 0.6),
    "eps": 1.0,
    "weight_decay": 0.9,
    "density": 0.6,
    "final_density": 0.9,
    "total_steps": 7,
    "mask_interval": 2,
    "density_interval": 1,
    "chunk_size": 20,
    "block_size": 40,
    "select": "large",
    "moment_policy": "reset",
    "state_dtype": "float64",
    "seed": 5,
    "weight_rounding": "stochastic",
    "window": 3,
    "quant_block": 4,
    "rank": 2,
    "alpha": 3.0,
    "threshold": 0.01,
    "power": 2.0,
    "apply_decay": False,
}
CASES = [
    (name, option)
    for name in optim.__all__
    for option in inspect.signature(getattr(optim, name)).parameters
    if name not in ("StepInBackward", "dense_groups")
    if option not in ("params", "fused", "capturable")
]


def trained(name, option=None):
    """The parameters after 12 steps; an option is changed after the fifth."""
    cls = getattr(optim, name)
    known = inspect.signature(cls).parameters
    params = tiny_params(dtype=torch.bfloat16)
    optimizer = cls(params, **{key: value for key, value in BASE.items() if key in known})
    train(params, optimizer, 5)
    before = [param.detach().clone() for param in params]
    if option is not None:
        value = CHANGED.get(option, "all")
        if option == "decay_scope":
            value = "all" if optimizer.defaults[option] == "selected" else "selected"
        optimizer.param_groups[0][option] = value
    try:
        train(params, optimizer, 7, first=5)
    except ValueError as error:
        assert_same(params, before)
        return str(error)
    return [param.detach() for param in params]


@pytest.mark.parametrize(("name", "option"), CASES, ids=str)
def test_a_changed_option_acts_or_is_refused_by_name(name, option):
    result = trained(name, option)
    if isinstance(result, str):
        assert result.startswith(f"{option} cannot change from ")
        assert f" to {CHANGED[option]!r} " in result
    else:
        assert not all(map(torch.equal, result, trained(name)))


SCHEDULED = {"lr": 0.2, "betas": (0.5, 0.6), "eps": 0.1, "weight_decay": 0.9}


@pytest.mark.parametrize("option", SCHEDULED)
def test_adams_numbers_change_as_in_adamw(option):
    params, expected = tiny_params(), tiny_params()
    ours = NanoAdam(params, lr=0.01, density=1.0)
    adamw = torch.optim.AdamW(expected, lr=0.01, weight_decay=0.0, foreach=False)
    for optimizer, own in ((ours, params), (adamw, expected)):
        train(own, optimizer, 4)
        optimizer.param_groups[0][option] = SCHEDULED[option]
        train(own, optimizer, 4, first=4)
    for param, other in zip(params, expected, strict=True):
        torch.testing.assert_close(param, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", [NanoAdam, LIFT])
def test_a_new_density_acts_at_the_next_selection(cls):
    param = nn.Parameter(torch.linspace(-1, 1, 100))
    optimizer = cls([param], density=0.1, mask_interval=4)
    counts = []
    for step in range(10):
        if step == 5:
            optimizer.param_groups[0]["density"] = 1.0
        train([param], optimizer, 1, first=step)
        counts.append(len(optimizer.state[param]["offset"]))
    assert counts == [10] * 8 + [100] * 2


@pytest.mark.parametrize("cls", [NanoAdam, LIFT, PaFi])
def test_a_dense_state_never_gets_a_selection_and_says_so(cls):
    params = tiny_params()
    optimizer = cls(params, density=1.0)
    train(params, optimizer, 3)
    optimizer.param_groups[0]["density"] = 0.1
    with pytest.raises(ValueError, match=r"density cannot change from 1\.0 to 0\.1"):
        train(params, optimizer, 1)
    optimizer.state.clear()
    train(params, optimizer, 1)
    assert all("offset" in state for state in optimizer.state.values())


def test_a_schedule_of_a_dense_state_is_refused():
    params = tiny_params()
    optimizer = NanoAdam(params, density=1.0)
    train(params, optimizer, 3)
    optimizer.param_groups[0].update(final_density=0.1, total_steps=10)
    with pytest.raises(ValueError, match=r"final_density cannot change from None to 0\.1"):
        train(params, optimizer, 1)


def test_mofo_trains_densely_and_sparsely_from_one_state():
    params, expected = tiny_params(), tiny_params()
    changed, dense = MoFO(params, density=1.0), MoFO(expected, density=1.0)
    train(params, changed, 3)
    train(expected, dense, 3)
    changed.param_groups[0]["density"] = 0.1
    before = [param.detach().clone() for param in params]
    train(params, changed, 1, first=3)
    train(expected, dense, 1, first=3)
    for param, other, old in zip(params, expected, before, strict=True):
        moved = param != old
        assert moved.sum() == max(1, -(-param.numel() // 10))
        torch.testing.assert_close(param[moved], other[moved], rtol=1e-6, atol=1e-7)


def test_an_option_out_of_its_range_is_refused_at_the_next_step():
    params = tiny_params()
    optimizer = NanoAdam(params)
    train(params, optimizer, 2)
    optimizer.param_groups[0]["mask_interval"] = 0
    with pytest.raises(ValueError, match="mask_interval must be an integer of at least 1, got 0"):
        train(params, optimizer, 1)


def test_a_refused_change_in_the_second_group_leaves_the_first_as_it_was():
    first, second = tiny_params(0), tiny_params(1)
    optimizer = MicroAdam([{"params": first}, {"params": second}])
    train(first + second, optimizer, 2)
    before = [param.detach().clone() for param in first + second]
    optimizer.param_groups[1]["density"] = 0.5
    for _ in range(2):
        with pytest.raises(ValueError, match=r"density cannot change from 0\.01 to 0\.5"):
            train(first + second, optimizer, 1)
    assert_same(first + second, before)
    assert all(state["step"] == 2 for state in optimizer.state.values())
    optimizer.param_groups[1]["density"] = 0.01
    train(first + second, optimizer, 1)


@pytest.mark.parametrize("way", ["loaded", "copied", "pickled"])
def test_a_change_before_the_first_step_of_a_copy_is_refused(way):
    params = tiny_params()
    optimizer = NanoAdam(params)
    train(params, optimizer, 2)
    if way == "loaded":
        other = NanoAdam(params)
        other.load_state_dict(optimizer.state_dict())
    elif way == "copied":
        params, other = copy.deepcopy((params, optimizer))
    else:
        params, other = pickle.loads(pickle.dumps((params, optimizer)))
    other.param_groups[0]["moment_policy"] = "slot"
    with pytest.raises(ValueError, match="moment_policy cannot change from 'carry' to 'slot'"):
        train(params, other, 1)


def test_a_change_is_refused_in_the_backward_pass_too():
    param = nn.Parameter(torch.ones(20))
    optimizer = MicroAdam([param])
    optim.StepInBackward(optimizer)
    param.sum().backward()
    optimizer.step()
    optimizer.param_groups[0]["window"] = 3
    with pytest.raises(ValueError, match="window cannot change from 10 to 3"):
        param.sum().backward()


def test_groups_may_be_removed_and_reordered():
    first, second = tiny_params(0), tiny_params(1)
    optimizer = NanoAdam([{"params": first}, {"params": second, "density": 0.5}])
    train(first + second, optimizer, 2)
    optimizer.param_groups.reverse()
    train(first + second, optimizer, 1)
    del optimizer.param_groups[0]
    for param, gradient in zip(first, gradients_of(first, 9), strict=True):
        param.grad = gradient
    optimizer.step()
    assert optimizer.state[first[0]]["step"] == 4
