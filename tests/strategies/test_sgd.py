"""SGD is torch.optim.SGD with checked options."""

import pytest
import torch
from optimizer_steps import assert_steps_of

from nanocl.strategies.sgd import SGD


def test_it_takes_the_steps_of_torch():
    assert_steps_of(SGD(), lambda parameters: torch.optim.SGD(parameters, lr=0.01))
    assert_steps_of(
        SGD(lr=0.1, momentum=0.8, weight_decay=0.01, nesterov=True),
        lambda parameters: torch.optim.SGD(
            parameters, lr=0.1, momentum=0.8, weight_decay=0.01, nesterov=True
        ),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, r"lr must be in \(0, inf\), got 0.0"),
        ({"lr": float("inf")}, "lr must be in .*inf"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"nesterov": True}, "momentum must be in .* with nesterov=True"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        SGD(**options)
