"""MicroAdam as a strategy: nanocl.optim.MicroAdam on all layers."""

import pytest
from optimizer_steps import assert_steps_of

from nanocl import optim
from nanocl.strategies.microadam import MicroAdam


def test_it_takes_the_steps_of_the_optimizer():
    assert_steps_of(
        MicroAdam(lr=0.01, density=0.2, window=4),
        lambda parameters: optim.MicroAdam(parameters, lr=0.01, density=0.2, window=4),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 0.0}, r"density must be a number in \(0, 1\], got 0.0"),
        ({"window": 0}, "window must be .*0"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        MicroAdam(**options)
