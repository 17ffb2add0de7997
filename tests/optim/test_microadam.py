"""MicroAdam against the specification of its paper and against a slow reference."""

import copy
import math

import pytest
import torch
from torch import nn

from nanocl.optim import MicroAdam
from nanocl.optim._plain.microadam import dequantise, quantise
from nanocl.optim._plain.selection import even_starts, flat_index, quota
from nanocl.optim._reference.nanoadam import MicroAdamReference

SHAPES = ((17, 9), (13,), (1,), ())
EXACT = {"state_dtype": torch.float64}


def make_params(seed=0, shapes=SHAPES, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype))
        for shape in shapes
    ]


def gradients_of(params, step, missing=False):
    generator = torch.Generator().manual_seed(1000 + step)
    drawn = [
        torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype) for p in params
    ]
    return [
        None if missing and (step + i) % 5 == 0 else gradient for i, gradient in enumerate(drawn)
    ]


def train(params, optimizer, steps, first=0, missing=False):
    for step in range(first, first + steps):
        for param, gradient in zip(params, gradients_of(params, step, missing), strict=True):
            param.grad = gradient
        optimizer.step()


def error_of(state, numel, dtype=torch.float64):
    return dequantise(state["codes"], state["low"], state["high"], state["bucket"], numel, dtype)


def sent_index(state, row, numel):
    start = even_starts(numel, state["density"], state["block"])
    return flat_index(start, state["offset"][row], state["block"])


def units_of(state, numel):
    unit = (state["high"].double() - state["low"].double()) / 15
    return unit[torch.arange(numel) // state["bucket"]]


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
    for step in range(15):
        train(params, optimizer, 1, first=step, missing=True)
        reference.step(gradients_of(params, step, missing=True))
    for param, expected in zip(params, reference.params, strict=True):
        torch.testing.assert_close(param.detach().flatten(), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_is_lost_but_half_a_level_of_rounding(dtype):
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
    wrong[1].state[wrong[0]]["step"] += 4001  # ages turned, rows not
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


def test_first_step_is_one_learning_rate_along_the_sign():
    param = make_params(shapes=((100,),))[0]
    before = param.detach().clone()
    optimizer = MicroAdam([param], lr=0.01, density=0.1)
    train([param], optimizer, 1)
    moved = (before - param.detach())[sent_index(optimizer.state[param], 0, 100)]
    expected = param.grad[sent_index(optimizer.state[param], 0, 100)].sign() * 0.01
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-8)
    assert (before != param).sum() == 10


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0])
def test_a_constant_bucket_comes_back_as_it_was(value):
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


def bit_patterns(numel, dtype):
    """Finite numbers of every exponent, some of them zeros of both signs."""
    generator = torch.Generator().manual_seed(numel)
    width = dtype.itemsize * 8
    drawn = torch.randint(-(2 ** (width - 1)), 2 ** (width - 1) - 1, (numel,), generator=generator)
    values = drawn.to({16: torch.int16, 32: torch.int32, 64: torch.int64}[width]).view(dtype)
    values[::11], values[5::11] = 0.0, -0.0
    return torch.where(values.isfinite(), values, 1)


@pytest.mark.parametrize("numel", [33_001, 32_768 * 2 + 64 + 63])
@pytest.mark.parametrize("bucket", [2, 64])
@pytest.mark.parametrize(
    ("dtype", "state_dtype"),
    [
        (torch.float32, None),
        (torch.float32, torch.float32),
        (torch.float64, None),
        (torch.bfloat16, None),
    ],
)
def test_compiled_codes_bounds_and_window_are_the_plain_ones_bit_for_bit(
    numel, bucket, dtype, state_dtype
):
    gradients = [
        torch.randn(numel, generator=torch.Generator().manual_seed(step)).to(dtype)
        for step in range(2)
    ]
    gradients.append(bit_patterns(numel, dtype))
    states = []
    for fused in (None, False):
        param = nn.Parameter(torch.ones(numel, dtype=dtype))
        optimizer = MicroAdam(
            [param], quant_block=bucket, window=2, state_dtype=state_dtype, fused=fused
        )
        states.append([])
        for gradient in gradients:
            param.grad = gradient
            optimizer.step()
            states[-1].append(
                {
                    name: value.clone()
                    for name, value in optimizer.state[param].items()
                    if isinstance(value, torch.Tensor)
                }
            )
    for ours, plain in zip(*states, strict=True):
        for name, value in plain.items():
            assert torch.equal(ours[name], value), name


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


def test_a_late_parameter_trains_as_in_a_fresh_optimizer():
    early, late, fresh = make_params(0), make_params(1), make_params(1)
    optimizer = MicroAdam(early, density=0.1, window=4)
    train(early, optimizer, 7)
    optimizer.add_param_group({"params": late})
    for param in early:
        param.grad = None
    train(late, optimizer, 9)
    train(fresh, MicroAdam(fresh, density=0.1, window=4), 9)
    assert all(torch.equal(one, other) for one, other in zip(late, fresh, strict=True))


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
    assert all(torch.equal(one, other) for one, other in zip(whole, resumed, strict=True))


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
