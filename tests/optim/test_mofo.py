"""MoFO against its paper's algorithm and against a slow reference."""

import math

import pytest
import torch
from torch import nn
from trajectories import assert_close_to_adamw, assert_follows, make_params, state_bytes, train

from nanocl.footprint import state_bytes_of
from nanocl.footprint.architectures import Weight
from nanocl.optim import MoFO
from nanocl.optim._reference.mofo import MoFOReference


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("scope", ["all", "selected"])
@pytest.mark.parametrize(
    ("density", "chunk_size"), [(0.3, None), (0.07, None), (0.3, 20), (0.0, None)]
)
def test_trajectory_equals_the_slow_reference(density, chunk_size, scope, fused):
    options = dict(
        lr=0.05,
        betas=(0.8, 0.99),
        density=density,
        chunk_size=chunk_size,
        weight_decay=0.1,
        decay_scope=scope,
    )
    params = make_params(dtype=torch.float64)
    optimizer, reference = MoFO(params, fused=fused, **options), MoFOReference(params, **options)
    assert_follows(params, optimizer, reference, 20, 1e-14)


def test_full_density_is_adamw():
    assert_close_to_adamw(lambda params: MoFO(params, lr=0.01, weight_decay=0.1, density=1.0), 20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_in_each_step_the_share_of_largest_momentum_moves_and_no_other(dtype):
    params = make_params(dtype=dtype)
    optimizer = MoFO(params, lr=0.05, density=0.2)
    for step in range(8):
        before = [param.detach().clone() for param in params]
        train(params, optimizer, 1, first=step)
        for param, old in zip(params, before, strict=True):
            moved = (param != old).flatten()
            momentum = optimizer.state[param]["mean"].abs()
            assert moved.sum() == math.ceil(0.2 * param.numel())
            assert (
                momentum[moved].min() >= momentum[~moved].max()
                if moved.sum() < param.numel()
                else True
            )


def test_moments_of_entries_that_do_not_move_are_those_of_adam():
    params, others = make_params(), make_params()
    filtered, adam = MoFO(params, density=0.1), torch.optim.Adam(others, foreach=False)
    train(params, filtered, 10)
    train(others, adam, 10)
    for param, other in zip(params, others, strict=True):
        torch.testing.assert_close(
            filtered.state[param]["mean"], adam.state[other]["exp_avg"].flatten()
        )
        torch.testing.assert_close(
            filtered.state[param]["square"], adam.state[other]["exp_avg_sq"].flatten()
        )


def test_each_parameter_filters_for_itself():
    """The paper's partition: a parameter of small gradients moves the same share as others."""
    params = make_params(((40,), (40,)))
    before = [param.detach().clone() for param in params]
    optimizer = MoFO(params, density=0.1)
    for param, scale in zip(params, (1.0, 1e-4), strict=True):
        param.grad = torch.arange(40.0).add(1) * scale
    optimizer.step()
    assert [(param != old).sum().item() for param, old in zip(params, before, strict=True)] == [
        4,
        4,
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("state_dtype", [None, "bfloat16"])
def test_the_compiled_loops_take_the_steps_of_the_plain_ones(dtype, state_dtype):
    """The same entries move; values differ by rounding, as operations differ in order."""
    steps = []
    for fused in (True, False):
        params = make_params(dtype=dtype)
        train(
            params,
            MoFO(
                params,
                lr=0.05,
                density=0.2,
                weight_decay=0.1,
                decay_scope="selected",
                state_dtype=state_dtype,
                fused=fused,
            ),
            10,
        )
        steps.append(params)
    for one, other, start in zip(*steps, make_params(dtype=dtype), strict=True):
        assert torch.equal(one == start, other == start)
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_transposed_parameter_takes_the_same_steps():
    (param,), (plain,) = make_params(((6, 5),)), make_params(((6, 5),))
    turned = nn.Parameter(
        param.detach().clone(memory_format=torch.preserve_format).t().contiguous().t()
    )
    assert not turned.is_contiguous()
    train([turned], MoFO([turned], density=0.2), 5)
    train([plain], MoFO([plain], density=0.2), 5)
    assert torch.equal(turned, plain)


@pytest.mark.parametrize(
    "options",
    [{}, {"density": 0.01, "chunk_size": 10}, {"state_dtype": "bfloat16"}, {"density": 1.0}],
    ids=str,
)
def test_state_takes_the_bytes_that_are_predicted(options):
    params = make_params(((30, 7), (5,)))
    optimizer = MoFO(params, **options)
    predicted = [
        state_bytes_of(MoFO, options, torch.float32)(Weight("w", tuple(param.shape)))
        for param in params
    ]
    train(params, optimizer, 2)
    counted = [state_bytes(optimizer, param) for param in params]
    assert counted == predicted and optimizer.state_bytes() == sum(predicted)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"density": 1.1}, r"density must be a number in \[0, 1\], got 1.1"),
        ({"chunk_size": 0}, "chunk_size must be an integer of at least 1, got 0"),
        ({"decay_scope": "none"}, "decay_scope must be one of selected, all, got 'none'"),
        ({"weight_rounding": "up"}, "weight_rounding must be one of nearest, stochastic, got 'up'"),
        ({"state_dtype": "int8"}, "state_dtype must be one of .*'int8'"),
        ({"seed": -1}, "seed must be .*-1"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        MoFO(make_params(), **options)
