"""Stochastic rounding to bfloat16."""

import math

import pytest
import torch
from torch import nn

from nanocl.optim import NanoAdam
from nanocl.optim._plain.rounding import random_bits, stochastic_bfloat16


def test_stochastic_rounding_takes_the_nearer_neighbour_more_often():
    value = torch.full((20_000,), 1.0 + 2**-7 * 0.3)
    rounded = stochastic_bfloat16(value, random_bits(5, 20_000, value.device) & 0xFFFF).float()
    assert set(rounded.tolist()) == {1.0, 1.0 + 2**-7}
    assert abs((rounded > 1).float().mean().item() - 0.3) < 0.02


def test_stochastic_rounding_keeps_what_is_not_finite():
    values = torch.tensor([math.inf, -math.inf, math.nan])
    rounded = stochastic_bfloat16(values, torch.full((3,), 0xFFFF))
    assert rounded[0] == math.inf and rounded[1] == -math.inf and rounded[2].isnan()


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_a_gradient_that_is_not_a_number_is_not_hidden_by_bfloat16(rounding):
    param = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    param.grad = torch.tensor([1.0, math.nan, math.inf, 1.0], dtype=torch.bfloat16)
    NanoAdam(
        [param], density=1.0, state_dtype="bfloat16", weight_rounding=rounding, fused=True
    ).step()
    assert param.isnan().tolist() == [False, True, True, False]
