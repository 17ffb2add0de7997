"""Cautious weight decay against its formula and against AdamW."""

from typing import Any

import pytest
import torch
from torch import nn
from trajectories import assert_close, assert_follows, make_params, state_bytes, train

from nanocl.footprint import state_bytes_of
from nanocl.footprint.architectures import Weight
from nanocl.optim import CautiousAdamW
from nanocl.optim._reference.cautious_adamw import CautiousAdamWReference


@pytest.mark.parametrize("fused", [True, False])
def test_trajectory_equals_the_formula_entry_by_entry(fused):
    options: dict[str, Any] = {"lr": 0.05, "betas": (0.8, 0.99), "weight_decay": 0.5}
    params = make_params(dtype=torch.float64)
    with torch.no_grad():
        params[0][:5] = 0.0
    optimizer = CautiousAdamW(params, fused=fused, **options)
    reference = CautiousAdamWReference(params, **options)
    assert_follows(params, optimizer, reference, 15, 1e-13)


@pytest.mark.parametrize("fused", [True, False])
def test_only_entries_that_the_update_moves_towards_zero_decay(fused):
    param = nn.Parameter(torch.tensor([2.0, 2.0, -2.0, -2.0]))
    param.grad = torch.tensor([1.0, -1.0, 1.0, -1.0])
    CautiousAdamW([param], lr=0.1, weight_decay=0.5, fused=fused).step()
    torch.testing.assert_close(param.detach(), torch.tensor([1.8, 2.1, -2.1, -1.8]))


def test_without_weight_decay_it_is_adamw():
    params, expected = make_params(), make_params()
    train(params, CautiousAdamW(params, lr=0.01, weight_decay=0.0), 20)
    train(expected, torch.optim.AdamW(expected, lr=0.01, weight_decay=0.0, foreach=False), 20)
    assert_close(params, expected)


@pytest.mark.parametrize("fused", [True, False])
def test_tiny_weights_are_compared_by_sign_and_not_by_product(fused):
    """1e-30 times a tiny update underflows to zero, which would count as agreement."""
    param = nn.Parameter(torch.tensor([-1e-30]))
    param.grad = torch.tensor([1.0])
    CautiousAdamW(
        [param], lr=1e-30, weight_decay=5e29, fused=fused
    ).step()  # with decay, half the weight would be lost
    torch.testing.assert_close(param.detach(), torch.tensor([-2e-30]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("state_dtype", [None, "bfloat16"])
def test_state_takes_the_bytes_that_are_predicted(state_dtype):
    params = make_params()
    optimizer = CautiousAdamW(params, state_dtype=state_dtype)
    train(params, optimizer, 2)
    predicted = state_bytes_of(CautiousAdamW, {"state_dtype": state_dtype}, torch.float32)
    counted = [state_bytes(optimizer, param) for param in params]
    assert counted == [predicted(Weight("w", tuple(param.shape))) for param in params]
    assert sum(counted) == optimizer.state_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight_decay": -0.1}, r"weight_decay must be a number in \[0, inf\), got -0.1"),
        ({"weight_rounding": "up"}, "weight_rounding must be one of nearest, stochastic, got 'up'"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        CautiousAdamW(make_params(), **options)
