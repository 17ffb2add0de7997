"""MicroAdam against its paper's algorithm and against a slow reference."""

import math

import pytest
import torch
from torch import nn
from trajectories import assert_follows, assert_same, train
from windows import EXACT, make_params, sent_index

from nanocl.optim import MicroAdam
from nanocl.optim._plain.selection import quota
from nanocl.optim._reference.microadam import MicroAdamReference


@pytest.mark.parametrize("state_dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "options",
    [
        {"density": 0.1, "block_size": 40, "quant_block": 7, "window": 4},
        {"density": 0.02, "block_size": 50, "quant_block": 64, "window": 1, "weight_decay": 0.1},
        {"density": 0.5, "quant_block": 1, "window": 3},
    ],
)
def test_trajectory_equals_the_slow_reference(options, state_dtype):
    options = {"lr": 0.05, "state_dtype": state_dtype, **options}
    params = make_params()
    optimizer, reference = MicroAdam(params, **options), MicroAdamReference(params, **options)
    assert_follows(params, optimizer, reference, 15, 1e-13)


def test_full_density_and_a_long_window_are_adam():
    params, expected = make_params(), make_params()
    train(params, MicroAdam(params, lr=0.01, density=1.0, window=30, **EXACT), 30)
    train(expected, torch.optim.Adam(expected, lr=0.01, foreach=False), 30)
    for param, other in zip(params, expected, strict=True):
        torch.testing.assert_close(param, other, rtol=0, atol=1e-14)


def test_full_density_leaves_adam_when_the_window_is_full():
    params, expected = make_params()[:1], make_params()[:1]
    ours = MicroAdam(params, lr=0.01, density=1.0, window=10, **EXACT)
    adam = torch.optim.Adam(expected, lr=0.01, foreach=False)
    gaps = []
    for step in range(11):
        train(params, ours, 1, first=step)
        train(expected, adam, 1, first=step)
        gaps.append((params[0] - expected[0]).abs().max().item())
    assert max(gaps[:10]) < 1e-14 and gaps[10] > 1e-6


def test_a_constant_gradient_ends_in_steps_of_6_53_learning_rates():
    param = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = MicroAdam([param], lr=1.0, density=1.0, **EXACT)
    moves = []
    for step in range(1001):
        if step == 1000:
            optimizer.state[param]["step"] += (
                10**6
            )  # the same row and window, the bias correction at its limit
        before = param.item()
        param.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        moves.append(before - param.item())
    assert [moves[t - 1] for t in (1, 10, 11, 100, 1000)] == pytest.approx(
        [1.0, 1.0, 0.995, 2.01, 5.19], abs=0.005
    )
    exact = (1 - 0.9**10) / math.sqrt(1 - 0.999**10)
    assert moves[-1] == pytest.approx(exact, rel=1e-6) and exact == pytest.approx(6.53, abs=0.005)


def test_first_step_is_one_learning_rate_along_the_sign():
    param = make_params(shapes=((100,),))[0]
    before = param.detach().clone()
    optimizer = MicroAdam([param], lr=0.01, density=0.1)
    train([param], optimizer, 1)
    moved = (before - param.detach())[sent_index(optimizer.state[param], 0, 100)]
    expected = param.grad[sent_index(optimizer.state[param], 0, 100)].sign() * 0.01
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-8)
    assert (before != param).sum() == 10


def test_error_feedback_moves_a_coordinate_that_is_never_the_largest():
    def descend(make, feedback=True):
        param = nn.Parameter(torch.tensor([1.0, 1.0], dtype=torch.float64))
        optimizer = make([param])
        for step in range(600):
            noise = torch.tensor([(-1.0) ** step * 20, 0.0], dtype=torch.float64)
            param.grad = param.detach() * torch.tensor([10.0, 1.0], dtype=torch.float64) + noise
            if not feedback and optimizer.state[param]:
                for name in ("codes", "low", "high"):
                    optimizer.state[param][name].zero_()
            optimizer.step()
        return param.detach()[1].item()

    assert (
        descend(lambda params: MicroAdam(params, lr=0.01, density=0.5, **EXACT), feedback=False)
        == 1.0
    )
    assert abs(descend(lambda params: MicroAdam(params, lr=0.01, density=0.5, **EXACT))) < 0.1
    assert abs(descend(lambda params: torch.optim.Adam(params, lr=0.01))) < 0.1


@pytest.mark.parametrize("shape", [(), (1,), (3,), (63,), (101,), (7, 13)])
def test_odd_and_tiny_parameters_train(shape):
    param = nn.Parameter(torch.ones(shape))
    optimizer = MicroAdam([param], lr=0.01, quant_block=64, block_size=100)
    for _ in range(5):
        param.grad = param.detach().clone()
        optimizer.step()
    assert param.isfinite().all() and param.sum() < param.numel()


def test_state_takes_the_bytes_of_the_specification():
    numel = 100_001
    param = nn.Parameter(torch.randn(numel))
    param.grad = torch.ones_like(param)
    optimizer = MicroAdam([param], density=0.01, block_size=20000)
    optimizer.step()
    state = optimizer.state[param]
    sent = 5 * quota(20000, 0.01) + quota(1, 0.01)
    tensors = [value for value in state.values() if isinstance(value, torch.Tensor)]
    assert sum(t.numel() * t.element_size() for t in tensors) == (
        numel + 1
    ) // 2 + 40 * sent + 4 * (-(-numel // 64))
    assert state["offset"].element_size() == 2 and state["value"].dtype == torch.bfloat16


def test_state_of_a_million_parameters_stays_under_the_promised_bytes():
    param = nn.Parameter(torch.randn(1 << 20))
    param.grad = torch.ones_like(param)
    optimizer = MicroAdam([param])
    optimizer.step()
    tensors = [
        value for value in optimizer.state[param].values() if isinstance(value, torch.Tensor)
    ]
    assert sum(t.numel() * t.element_size() for t in tensors) <= 0.97 * param.numel()


def test_a_late_parameter_trains_as_in_a_fresh_optimizer():
    early, late, fresh = make_params(0), make_params(1), make_params(1)
    optimizer = MicroAdam(early, density=0.1, window=4)
    train(early, optimizer, 7)
    optimizer.add_param_group({"params": late})
    for param in early:
        param.grad = None
    train(late, optimizer, 9)
    train(fresh, MicroAdam(fresh, density=0.1, window=4), 9)
    assert_same(late, fresh)


def test_saving_and_loading_changes_no_bit(tmp_path):
    whole, resumed = make_params(dtype=torch.float32), make_params(dtype=torch.float32)
    options = dict(density=0.1, window=4, block_size=40, quant_block=16)
    train(whole, MicroAdam(whole, **options), 15)
    first = MicroAdam(resumed, **options)
    train(resumed, first, 6)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = MicroAdam(resumed)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(resumed, second, 9, first=6)
    assert_same(whole, resumed)


@pytest.mark.parametrize(
    ("option", "value", "bounds"),
    [
        ("lr", -1.0, "[0, inf)"),
        ("betas", (0.9,), "[0, 1)"),
        ("eps", math.nan, "[0, inf)"),
        ("density", 0.0, "(0, 1]"),
        ("density", 1.1, "(0, 1]"),
        ("window", 0, "at least 1"),
        ("quant_block", 0, "at least 1"),
        ("block_size", 32769, "[1, 32768]"),
        ("state_dtype", torch.int8, "bfloat16"),
        ("fused", "no", "False"),
    ],
)
def test_a_bad_option_is_named_with_its_value_and_its_range(option, value, bounds):
    with pytest.raises(ValueError, match=option) as caught:
        MicroAdam(make_params(), **{option: value})
    assert bounds in str(caught.value) and repr(value) in str(caught.value)
