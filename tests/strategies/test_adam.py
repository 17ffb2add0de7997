"""Adam is torch.optim.Adam with checked options."""

import pytest
import torch
from optimizer_steps import assert_fused_steps_of

from nanocl.strategies.adam import Adam


def test_it_takes_the_steps_of_torch():
    assert_fused_steps_of(Adam(), torch.optim.Adam)
    assert_fused_steps_of(
        Adam(lr=0.01, beta1=0.8, beta2=0.9, eps=1e-6, weight_decay=0.1),
        torch.optim.Adam,
        lr=0.01,
        betas=(0.8, 0.9),
        eps=1e-6,
        weight_decay=0.1,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta1": 1.0}, r"beta1 must be in \[0, 1\), got 1.0"),
        ({"beta2": -0.1}, "beta2 must be in .*-0.1"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        Adam(**options)
