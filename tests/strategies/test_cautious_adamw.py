"""AdamW with cautious weight decay as a strategy: nanocl.optim.CautiousAdamW on all layers."""

import pytest
from optimizer_steps import assert_steps_of

from nanocl import optim
from nanocl.strategies.cautious_adamw import CautiousAdamW


def test_it_takes_the_steps_of_the_optimizer():
    assert_steps_of(
        CautiousAdamW(lr=0.01, beta1=0.8, weight_decay=0.3),
        lambda parameters: optim.CautiousAdamW(
            parameters, lr=0.01, betas=(0.8, 0.999), weight_decay=0.3
        ),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, r"lr must be in \(0, inf\), got 0.0"),
        ({"weight_decay": -1.0}, "weight_decay must be .*-1.0"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        CautiousAdamW(**options)
