"""LoRA as an optimizer against automatic differentiation and against adapter layers."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from trajectories import assert_close, assert_follows, assert_same, make_params, state_bytes, train

from nanocl.optim import LowRankAdamW
from nanocl.optim._reference.low_rank import LowRankAdamWReference
from nanocl.optim.low_rank import first_factor

SHAPES = ((17, 9), (6, 3, 2, 2), (4, 30), (13,), ())


def first_factors(params, rank):
    """The first A of each matrix, read after a step, which cannot change A since B is zero."""
    twins = copy.deepcopy(params)
    optimizer = LowRankAdamW(twins, rank=rank)
    train(twins, optimizer, 1)
    factors = []
    for param in twins:
        columns = param.numel() // max(1, len(param)) if param.ndim else 1
        used = min(rank, len(param), columns) if param.ndim > 1 else 0
        state = optimizer.state[param]
        first = state["factors"][: used * columns].view(used, columns) if used else None
        factors.append(first)
    return factors


@pytest.mark.parametrize(("rank", "alpha"), [(1, 16.0), (3, 2.0), (100, 1.0)])
def test_trajectory_equals_automatic_differentiation_of_the_sum(rank, alpha):
    options = dict(lr=0.02, betas=(0.8, 0.99), alpha=alpha)
    params = make_params(SHAPES, dtype=torch.float64)
    optimizer = LowRankAdamW(params, rank=rank, weight_decay=0.1, **options)
    reference = LowRankAdamWReference(
        params, first_factors(params, rank), weight_decay=0.1, **options
    )
    assert_follows(params, optimizer, reference, 20, 1e-11)


class Adapter(nn.Module):
    """The layer that LoRA adds: W + alpha / rank * B A."""

    def __init__(self, weight, a, scale):
        super().__init__()
        self.a, self.b, self.scale = (
            nn.Parameter(a.clone()),
            nn.Parameter(torch.zeros(len(weight), len(a))),
            scale,
        )

    def forward(self, weight):
        return weight + self.scale * (self.b @ self.a).view(weight.shape)


def test_a_model_takes_the_steps_that_adapter_layers_in_it_take():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 5), nn.Tanh(), nn.Linear(5, 3)
    )
    other, weights = copy.deepcopy(model), [model[0].weight, model[3].weight]
    optimizer = LowRankAdamW(
        [{"params": weights}, {"params": model[5].parameters(), "rank": None}],
        lr=0.01,
        rank=2,
        alpha=4.0,
    )
    adapters = [
        Adapter(weight, a, 2.0)
        for weight, a in zip(weights, first_factors(weights, 2), strict=True)
    ]
    for number, adapter in zip((0, 3), adapters, strict=True):
        parametrize.register_parametrization(other[number], "weight", adapter)
    trained = [p for adapter in adapters for p in adapter.parameters()] + list(
        other[5].parameters()
    )
    theirs = torch.optim.AdamW(trained, lr=0.01, weight_decay=0.0)
    for _ in range(30):
        inputs = torch.randn(8, 2, 4, 4)
        for network, used in ((model, optimizer), (other, theirs)):
            used.zero_grad()
            network(inputs).square().sum().backward()
            used.step()
    for number in (0, 3, 5):
        torch.testing.assert_close(model[number].weight, other[number].weight, rtol=1e-3, atol=1e-5)
    assert_same([model[0].bias], [other[0].bias])


@pytest.mark.parametrize("shape", [(20, 30), (12, 5, 3, 3)])
def test_the_change_has_the_rank(shape):
    params = make_params((shape,), torch.float64)
    before = params[0].detach().clone()
    train(params, LowRankAdamW(params, lr=0.1, rank=3), 25)
    values = torch.linalg.svdvals((params[0].detach() - before).flatten(1))
    assert values[2] > 1e-3 and values[3] < 1e-12


def test_a_wiped_state_merges_and_begins_again_so_that_the_rank_adds_up():
    params = make_params(((20, 30),), torch.float64)
    before = params[0].detach().clone()
    optimizer = LowRankAdamW(params, lr=0.1, rank=2)
    train(params, optimizer, 10)
    optimizer.state.clear()
    train(params, optimizer, 10, first=10)
    values = torch.linalg.svdvals(params[0].detach() - before)
    assert values[2] > 1e-3 and values[4] < 1e-12


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_16_bit_parameter_is_the_rounded_sum_however_many_steps_are_taken(dtype):
    params = make_params(((20, 30),), dtype)
    base = params[0].detach().float()
    optimizer = LowRankAdamW(params, lr=1e-4, rank=2, alpha=4.0)
    train(params, optimizer, 100)
    factors = optimizer.state[params[0]]["factors"]
    a, b = factors[:60].view(2, 30), factors[60:].view(20, 2)
    assert factors.dtype == torch.float32 and torch.equal(
        params[0].detach(), (base + 2.0 * b @ a).to(dtype)
    )


def test_the_change_of_a_float32_parameter_stays_of_low_rank_over_many_steps():
    params = make_params(((20, 30),))
    before = params[0].detach().clone()
    train(params, LowRankAdamW(params, lr=0.01, rank=2), 400)
    values = torch.linalg.svdvals((params[0].detach() - before).double())
    unit = 2**-23 * params[0].abs().max()
    assert (
        values[1] > 1 and values[2] < 400 * unit * 600**0.5
    )  # a unit in each of 400 steps and 600 entries


def test_rank_none_is_adamw_and_rank_zero_is_frozen_and_has_no_state():
    params, expected = make_params(SHAPES), make_params(SHAPES)
    train(params, LowRankAdamW(params, lr=0.01, weight_decay=0.1, rank=None), 10)
    train(expected, torch.optim.AdamW(expected, lr=0.01, weight_decay=0.1, foreach=False), 10)
    assert_close(params, expected)
    frozen = make_params(SHAPES)
    optimizer = LowRankAdamW(frozen, rank=0)
    train(frozen, optimizer, 3)
    assert_same(frozen, make_params(SHAPES))
    assert optimizer.state_bytes() == 0 and not any(optimizer.state[param] for param in frozen)


def test_the_first_factor_is_uniform_and_depends_on_the_seed_alone():
    drawn = first_factor(7, 50, 400)
    assert torch.equal(drawn, first_factor(7, 50, 400)) and not torch.equal(
        drawn, first_factor(8, 50, 400)
    )
    assert drawn.abs().max() <= 1 / 20 and drawn.abs().max() > 0.99 / 20
    assert drawn.std().item() == pytest.approx(
        1 / 20 / 3**0.5, rel=0.05
    )  # 16 standard errors for 20000 numbers


def test_a_step_leaves_the_global_generator_unchanged():
    params, before = make_params(SHAPES), torch.get_rng_state()
    train(params, LowRankAdamW(params), 1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "options", [{}, {"rank": 2, "state_dtype": "bfloat16"}, {"rank": None}, {"rank": 0}], ids=str
)
def test_state_takes_the_bytes_that_are_predicted(options, dtype):
    params = make_params(SHAPES, dtype=dtype)
    optimizer = LowRankAdamW(params, **options)
    train(params, optimizer, 2)
    counted = sum(state_bytes(optimizer, param) for param in params)
    assert optimizer.state_bytes() == counted


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": -1}, "rank must be an integer of at least 0, got -1"),
        ({"rank": 2.5}, "rank must be an integer .* 2.5"),
        ({"alpha": 0.0}, r"alpha must be a number in \(0, inf\), got 0.0"),
        ({"weight_rounding": "up"}, "weight_rounding must be one of nearest, stochastic, got 'up'"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        LowRankAdamW(make_params(SHAPES), **options)
