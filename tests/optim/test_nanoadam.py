"""NanoAdam against its paper's algorithm and against a slow reference."""

import copy
import math

import pytest
import torch
from trajectories import (
    assert_close,
    assert_follows,
    assert_same,
    make_params,
    selected,
    train,
)

from nanocl.optim import NanoAdam
from nanocl.optim._reference.nanoadam import NanoAdamReference


@pytest.mark.parametrize("policy", ["carry", "reset", "slot"])
@pytest.mark.parametrize("select", ["small", "large", "gradient", "gallop", "static-small"])
@pytest.mark.parametrize("scope", ["selected", "all"])
def test_trajectory_equals_the_slow_reference(policy, select, scope):
    options = dict(
        density=0.3,
        chunk_size=20,
        mask_interval=4,
        select=select,
        moment_policy=policy,
        weight_decay=0.1,
        decay_scope=scope,
        lr=0.05,
    )
    params = make_params(dtype=torch.float64)
    optimizer, reference = NanoAdam(params, **options), NanoAdamReference(params, **options)
    assert_follows(params, optimizer, reference, 23, 1e-14)


@pytest.mark.parametrize("policy", ["carry", "reset", "slot"])
def test_density_schedule_equals_the_slow_reference(policy):
    options = dict(
        density=0.6,
        final_density=0.1,
        total_steps=15,
        density_interval=3,
        mask_interval=4,
        chunk_size=20,
        moment_policy=policy,
        lr=0.05,
    )
    params = make_params(dtype=torch.float64)
    optimizer, reference = NanoAdam(params, **options), NanoAdamReference(params, **options)
    assert_follows(params, optimizer, reference, 20, 1e-14)


@pytest.mark.parametrize("schedule", [{}, {"final_density": 0.999999, "total_steps": 10**9}])
def test_full_density_is_adamw_with_and_without_a_selection(schedule):
    params, expected = make_params(), make_params()
    optimizer = NanoAdam(
        params, lr=0.01, weight_decay=0.1, density=1.0, mask_interval=3, chunk_size=50, **schedule
    )
    train(params, optimizer, 30)
    train(expected, torch.optim.AdamW(expected, lr=0.01, weight_decay=0.1, foreach=False), 30)
    assert_close(params, expected)


def test_a_dense_group_beside_a_sparse_one_is_dense_adam():
    params, expected = make_params(), make_params()
    optimizer = NanoAdam([{"params": params[:1]}, {"params": params[1:], "density": 1.0}], lr=0.01)
    train(params, optimizer, 20)
    train(expected, torch.optim.AdamW(expected, lr=0.01, weight_decay=0.0, foreach=False), 20)
    for param, other in zip(params[1:], expected[1:], strict=True):
        torch.testing.assert_close(param, other, rtol=1e-6, atol=1e-7)
    assert (params[0] != expected[0]).float().mean() > 0.8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.float16])
def test_entries_never_selected_keep_every_bit(dtype):
    params = make_params(dtype=dtype)
    before = [param.detach().clone().flatten() for param in params]
    optimizer = NanoAdam(params, lr=0.05, density=0.1, chunk_size=64, mask_interval=4)
    touched = [torch.zeros(param.numel(), dtype=torch.bool) for param in params]
    for step in range(20):
        train(params, optimizer, 1, first=step)
        for mask, param in zip(touched, params, strict=True):
            mask[selected(optimizer, param)] = True
    for mask, param, old in zip(touched, params, before, strict=True):
        assert torch.equal(param.detach().flatten()[~mask], old[~mask])
    assert 0 < (~touched[0]).sum() < len(touched[0])


def test_touched_share_only_grows_and_stays_below_a_fifth_as_in_the_paper_on_cola():
    params = make_params(((200, 200),), scales=(0.04,))
    before = params[0].detach().clone()
    optimizer = NanoAdam(
        params,
        lr=5e-5,
        density=0.1,
        final_density=0.04,
        total_steps=300,
        mask_interval=6,
        density_interval=33,
    )
    shares = []
    for step in range(0, 300, 30):
        train(params, optimizer, 30, first=step)
        shares.append((params[0] != before).float().mean().item())
    assert shares == sorted(shares)
    assert 0.1 <= shares[-1] <= 0.2


def test_zero_density_trains_nothing():
    params, before = make_params(), make_params()
    optimizer = NanoAdam(params, density=0.0, lr=0.1)
    train(params, optimizer, 5)
    assert_same(params, before)
    assert optimizer.state[params[0]]["mean"].numel() == 0


def test_a_parameter_without_gradient_is_skipped_and_keeps_its_age():
    params = make_params()
    optimizer = NanoAdam(params, mask_interval=4)
    train(params, optimizer, 3)
    frozen = params[0].detach().clone(), copy.deepcopy(optimizer.state[params[0]])
    for step in range(3, 6):
        train(params, optimizer, 1, first=step)
        params[0].data.copy_(frozen[0])
        optimizer.state[params[0]] = copy.deepcopy(frozen[1])
        params[0].grad = None
        optimizer.step()
        assert torch.equal(params[0], frozen[0])
        assert optimizer.state[params[0]]["step"] == 3
    assert optimizer.state[params[1]]["step"] == 9


@pytest.mark.parametrize(
    ("option", "value", "bounds"),
    [
        ("lr", -1.0, "[0, inf)"),
        ("lr", math.nan, "[0, inf)"),
        ("betas", (0.9, 1.0), "[0, 1)"),
        ("betas", 0.9, "[0, 1)"),
        ("eps", -1e-8, "[0, inf)"),
        ("weight_decay", -0.1, "[0, inf)"),
        ("density", 1.5, "[0, 1]"),
        ("final_density", -0.1, "[0, 1]"),
        ("mask_interval", 0, "at least 1"),
        ("mask_interval", 1.5, "at least 1"),
        ("density_interval", 0, "at least 1"),
        ("total_steps", 0, "at least 1"),
        ("chunk_size", 0, "at least 1"),
        ("select", "smallest", "static-small"),
        ("moment_policy", "keep", "carry"),
        ("decay_scope", "none", "selected"),
        ("state_dtype", torch.int8, "bfloat16"),
        ("state_dtype", "half", "bfloat16"),
        ("seed", -1, "at least 0"),
        ("weight_rounding", "up", "stochastic"),
        ("fused", "yes", "True"),
        ("fused", 1, "True"),
        ("fused", 0, "False"),
        ("lr", True, "[0, inf)"),
        ("lr", torch.ones(2), "[0, inf)"),
        ("weight_decay", "0.1", "[0, inf)"),
        ("density", "0.1", "[0, 1]"),
        ("density", False, "[0, 1]"),
    ],
)
def test_a_bad_option_is_named_with_its_value_and_its_range(option, value, bounds):
    for make in (
        lambda: NanoAdam(make_params(), **{option: value}),
        lambda: NanoAdam([{"params": make_params(), option: value}]),
    ):
        with pytest.raises(ValueError, match=option) as caught:
            make()
        message = str(caught.value)
        assert bounds in message
        assert (repr(value) if option != "betas" or value == 0.9 else "1.0") in message


def test_a_density_schedule_needs_its_length_and_a_selection_that_changes():
    with pytest.raises(ValueError, match="total_steps"):
        NanoAdam(make_params(), final_density=0.1)
    with pytest.raises(ValueError, match="static-small"):
        NanoAdam(make_params(), final_density=0.1, total_steps=5, select="static-small")


def test_entries_older_than_16_bits_can_count_step_as_those_without_bias():
    p = torch.nn.Parameter(torch.ones(8))
    optimizer = NanoAdam([p], density=0.5, fused=False, mask_interval=10**9)
    p.grad = torch.ones(8)
    optimizer.step()
    state = optimizer.state[p]
    state["age"].fill_(32767)
    before = p.detach().clone()
    optimizer.step()
    # by now the moments need no correction: m / sqrt v with lr 1e-3
    update = 1e-3 * state["mean"] / (state["square"].sqrt() + 1e-8)
    moved = before - p.detach()
    torch.testing.assert_close(moved[moved != 0], update)
