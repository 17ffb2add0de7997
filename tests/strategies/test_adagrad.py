"""Adagrad is torch.optim.Adagrad with checked options."""

import pytest
import torch
from optimizer_steps import assert_steps_of

from nanocl.strategies.adagrad import Adagrad


def test_it_takes_the_steps_of_torch():
    assert_steps_of(Adagrad(), torch.optim.Adagrad)
    assert_steps_of(
        Adagrad(lr=0.1, lr_decay=0.01, eps=1e-6, weight_decay=0.1),
        lambda parameters: torch.optim.Adagrad(
            parameters, lr=0.1, lr_decay=0.01, eps=1e-6, weight_decay=0.1
        ),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr_decay": -1.0}, "lr_decay must be in .*-1.0"),
        ({"lr": 0.0}, "lr must be in .*0.0"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        Adagrad(**options)
