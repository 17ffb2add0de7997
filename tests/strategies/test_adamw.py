"""AdamW is torch.optim.AdamW with checked options."""

import pytest
import torch
from optimizer_steps import assert_fused_steps_of

from nanocl.strategies.adamw import AdamW


def test_it_takes_the_steps_of_torch():
    assert_fused_steps_of(AdamW(), torch.optim.AdamW)
    assert_fused_steps_of(
        AdamW(lr=0.01, beta1=0.8, beta2=0.9, eps=1e-6, weight_decay=0.1),
        torch.optim.AdamW,
        lr=0.01,
        betas=(0.8, 0.9),
        eps=1e-6,
        weight_decay=0.1,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_decay": -1.0}, "weight_decay must be in .*-1.0"),
        ({"eps": -1.0}, "eps must be in .*-1.0"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        AdamW(**options)
