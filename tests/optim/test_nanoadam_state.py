"""NanoAdam's moments, ages and their bytes, over selections and checkpoints."""

import pytest
import torch
from torch import nn
from trajectories import make_params, selected, state_bytes, train

from nanocl.optim import NanoAdam
from nanocl.optim._plain.selection import quota


@pytest.mark.parametrize(
    ("dtype", "policy", "per_entry"),
    [
        ("bfloat16", "reset", 6),
        ("bfloat16", "carry", 8),
        ("float32", "reset", 10),
        ("float32", "carry", 12),
    ],
)
def test_state_takes_the_bytes_of_the_specification(dtype, policy, per_entry):
    param = nn.Parameter(torch.randn(300, 401))
    param.grad = torch.ones_like(param)
    optimizer = NanoAdam(
        [param], density=0.1, state_dtype=dtype, moment_policy=policy, chunk_size=4096
    )
    optimizer.step()
    entries = sum(
        quota(length, 0.1) for length in [4096] * (param.numel() // 4096) + [param.numel() % 4096]
    )
    chunks = -(-param.numel() // 4096)
    assert state_bytes(optimizer, param) == per_entry * entries + 8 * (chunks + 1)


def test_state_of_a_million_parameters_stays_under_the_promised_bytes():
    param = nn.Parameter(torch.randn(1 << 20))
    param.grad = torch.ones_like(param)
    for density, policy, limit in (
        (0.1, "reset", 0.62),
        (0.1, "carry", 0.82),
        (0.01, "reset", 0.065),
        (0.01, "carry", 0.085),
    ):
        optimizer = NanoAdam([param], density=density, moment_policy=policy, state_dtype="bfloat16")
        optimizer.step()
        assert state_bytes(optimizer, param) <= limit * param.numel()


@pytest.mark.parametrize("policy", ["carry", "reset"])
def test_first_step_after_a_selection_has_the_size_of_the_learning_rate(policy):
    params = make_params(shapes=((30, 30),))
    optimizer = NanoAdam(params, lr=1e-3, density=0.2, mask_interval=10, moment_policy=policy)
    for _ in range(35):
        before = params[0].detach().clone()
        params[0].grad = torch.ones_like(params[0])
        optimizer.step()
        moved = (before - params[0].detach()).flatten()[selected(optimizer, params[0])]
        torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), rtol=1e-3, atol=0)


def test_moments_of_a_slot_pass_to_another_entry_and_carried_ones_do_not():
    for policy, expected in (("slot", 0.19), ("carry", 0.1), ("reset", 0.1)):
        param = nn.Parameter(torch.tensor([0.1, 1.0]))
        optimizer = NanoAdam([param], lr=10.0, density=0.5, mask_interval=1, moment_policy=policy)
        for chosen in ([0], [1]):
            param.grad = torch.ones(2)
            optimizer.step()
            assert selected(optimizer, param).tolist() == chosen
        torch.testing.assert_close(optimizer.state[param]["mean"], torch.tensor([expected]))


def test_carried_ages_count_the_updates_of_each_entry():
    params = make_params(shapes=((30, 30),))
    optimizer = NanoAdam(params, lr=0.05, density=0.2, mask_interval=3)
    counted = torch.zeros(900, dtype=torch.int64)
    for step in range(14):
        train(params, optimizer, 1, first=step)
        mask = torch.zeros(900, dtype=torch.bool)
        mask[selected(optimizer, params[0])] = True
        counted = torch.where(mask, counted + 1, 0)
    state = optimizer.state[params[0]]
    age = state["age"].to(torch.int64) + state["step"] - state["chosen"]
    assert torch.equal(age, counted[selected(optimizer, params[0])])
    assert len(age.unique()) > 2


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"moment_policy": "reset"},
        {"moment_policy": "slot"},
        {"state_dtype": "bfloat16"},
        {"select": "random"},
        {"density": 1.0, "state_dtype": "bfloat16"},
        {"final_density": 0.1, "total_steps": 20, "density_interval": 3},
    ],
)
def test_saving_and_loading_inside_an_interval_changes_no_bit(options, tmp_path):
    options = {
        "density": 0.3,
        "mask_interval": 5,
        "chunk_size": 30,
        "lr": 0.05,
        "seed": 2,
        **options,
    }
    whole, resumed = make_params(), make_params()
    optimizer = NanoAdam(whole, **options)
    train(whole, optimizer, 19)
    first = NanoAdam(resumed, **options)
    train(resumed, first, 8)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = NanoAdam(resumed, lr=1.0)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(resumed, second, 11, first=8)
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(one, other)
        for key, value in optimizer.state[one].items():
            loaded = second.state[other][key]
            assert type(loaded) is type(value)
            assert (
                torch.equal(loaded, value) and loaded.dtype == value.dtype
                if torch.is_tensor(value)
                else loaded == value
            )


def test_bfloat16_second_moment_grows_as_it_should_where_rounding_to_nearest_stops():
    nearest = torch.tensor(0.0, dtype=torch.bfloat16)
    param = nn.Parameter(torch.zeros(2000))
    optimizer = NanoAdam([param], density=1.0, state_dtype="bfloat16")
    for _ in range(1500):
        param.grad = torch.ones(2000)
        optimizer.step()
        nearest = (nearest.float() * 0.999 + 0.001).to(torch.bfloat16)
    expected = 1 - 0.999**1500
    assert abs(optimizer.state[param]["square"].float().mean().item() / expected - 1) < 0.02
    assert nearest < 0.7 * expected


def test_stochastic_weights_move_by_steps_that_nearest_rounding_loses():
    moved = {}
    for rounding in ("nearest", "stochastic"):
        param = nn.Parameter(torch.ones(4000, dtype=torch.bfloat16))
        optimizer = NanoAdam([param], lr=1e-4, density=1.0, weight_rounding=rounding)
        for _ in range(50):
            param.grad = torch.ones_like(param)
            optimizer.step()
        moved[rounding] = 1 - param.detach().float().mean().item()
    assert moved["nearest"] == 0
    assert abs(moved["stochastic"] / (50 * 1e-4) - 1) < 0.05
