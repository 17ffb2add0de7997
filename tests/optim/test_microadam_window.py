"""What MicroAdam sends to its window, for how long it acts, and what the error keeps."""

import copy

import pytest
import torch
from torch import nn
from trajectories import train
from windows import EXACT, error_of, make_params, sent_index, units_of

from nanocl.optim import MicroAdam
from nanocl.optim._plain.microadam import dequantise, quantise
from nanocl.optim._plain.selection import quota


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_step_loses_at_most_half_a_level_of_rounding(dtype):
    param = make_params(shapes=((33, 31),), dtype=dtype)[0]
    optimizer = MicroAdam([param], density=0.05, block_size=200, quant_block=32, window=3)
    numel, before = param.numel(), torch.zeros(param.numel(), dtype=torch.float64)
    for step in range(12):
        train([param], optimizer, 1, first=step)
        state = optimizer.state[param]
        row = (state["step"] - 1) % 3
        sent = torch.zeros(numel, dtype=torch.float64)
        sent[sent_index(state, row, numel)] = state["value"][row].double()
        after = error_of(state, numel)
        lost = param.grad.flatten().double() + before - sent - after
        assert (lost.abs() <= units_of(state, numel) / 2 + 1e-6).all()
        assert lost.abs().max() > 0.01
        before = after


def test_error_of_a_sent_entry_is_the_level_nearest_to_zero():
    param = make_params(shapes=((300,),))[0]
    optimizer = MicroAdam([param], density=0.1, block_size=100, quant_block=50, **EXACT)
    train([param], optimizer, 5)
    state = optimizer.state[param]
    index = sent_index(state, 4, 300)
    echo, unit = error_of(state, 300)[index], units_of(state, 300)[index]
    assert (echo.abs() <= unit / 2 + 1e-12).all()
    assert (echo != 0).any()


def test_an_entry_stops_exactly_ten_steps_after_it_was_last_sent():
    param = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = MicroAdam([param], lr=1.0, density=0.5, quant_block=1, **EXACT)
    moves = []
    for step in range(14):
        param.grad = torch.tensor([1.0, 0.0] if step == 0 else [0.0, 1.0], dtype=torch.float64)
        before = param[0].item()
        optimizer.step()
        moves.append(before - param[0].item())
    assert all(move > 0 for move in moves[:10])
    assert moves[10:] == [0.0] * 4


def test_newest_row_has_age_zero_and_moved_rows_with_their_ages_give_the_same_step():
    param = make_params(shapes=((60,),))[0]
    optimizer = MicroAdam([param], density=0.1, window=4, **EXACT)
    train([param], optimizer, 6)
    state = optimizer.state[param]
    newest = (state["step"] - 1) % 4
    mass = torch.zeros(60, dtype=torch.float64)
    for row in range(4):
        age = (newest - row) % 4
        mass.index_add_(0, sent_index(state, row, 60), 0.9**age * state["value"][row])
    moved, other = copy.deepcopy((param, optimizer)), copy.deepcopy((param, optimizer))
    for shift, (twin, twin_optimizer) in ((1, moved), (0, other)):
        state = twin_optimizer.state[twin]
        state["step"] += (
            shift + 4000
        )  # a bias correction of nearly one, so that only the ages can differ
        for name in ("offset", "value"):
            state[name] = (
                state[name].roll(shift, 0)
                if name == "value"
                else torch.stack([state[name][(row - shift) % 4] for row in range(4)])
            )
        train([twin], twin_optimizer, 1, first=6)
    assert mass.abs().sum() > 0
    torch.testing.assert_close(moved[0], other[0], rtol=0, atol=1e-6)
    wrong = copy.deepcopy((param, optimizer))
    wrong[1].state[wrong[0]]["step"] += 4001  # the ages shift, the rows do not
    train([wrong[0]], wrong[1], 1, first=6)
    assert (wrong[0] - other[0]).abs().max() > 1e-4


def test_largest_entries_are_taken_block_by_block():
    gradient = torch.full((100,), 0.01, dtype=torch.float64)
    gradient[:20] = 5.0
    param = nn.Parameter(torch.zeros(100, dtype=torch.float64))
    param.grad = gradient.clone()
    optimizer = MicroAdam([param], density=0.1, block_size=20, window=2)
    optimizer.step()
    assert sent_index(optimizer.state[param], 0, 100).tolist() == [
        20 * block + i for block in range(5) for i in (0, 1)
    ]


def test_no_step_moves_more_entries_than_the_window_holds():
    param = make_params(shapes=((500,),))[0]
    optimizer = MicroAdam([param], density=0.03, block_size=70, window=3)
    most = 3 * sum(quota(length, 0.03) for length in [70] * 7 + [10])
    for step in range(8):
        before = param.detach().clone()
        train([param], optimizer, 1, first=step)
        moved = (param != before).sum().item()
        assert 0 < moved <= most


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0])
def test_a_constant_bucket_is_stored_exactly(value):
    values = torch.full((10,), value)
    codes, low, high = torch.zeros(5, dtype=torch.uint8), torch.zeros(2), torch.zeros(2)
    quantise(values, codes, low, high, 5)
    assert torch.equal(dequantise(codes, low, high, 5, 10, torch.float32), values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("numel", [1, 2, 7, 64, 65, 129])
def test_codes_are_never_further_than_half_a_level(numel, dtype):
    values = torch.randn(numel, generator=torch.Generator().manual_seed(numel)) * 3 + 1
    buckets = -(-numel // 64)
    codes = torch.zeros((numel + 1) // 2, dtype=torch.uint8)
    low, high = torch.zeros(buckets, dtype=dtype), torch.zeros(buckets, dtype=dtype)
    quantise(values, codes, low, high, 64)
    unit = ((high.float() - low.float()) / 15)[torch.arange(numel) // 64]
    gap = (dequantise(codes, low, high, 64, numel, torch.float32) - values).abs()
    assert (gap <= unit / 2 + 1e-6).all()
    assert (low.float() <= values.min()).any() and (high.float() >= values.max()).any()
