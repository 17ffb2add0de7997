"""CLASSP as a strategy: the dense layers have no threshold."""

import pytest
from optimizer_steps import assert_steps_of

from nanocl import optim
from nanocl.strategies.classp import CLASSP
from nanocl.testing import SmallBackbone
from nanocl.training.heads import Network


def test_without_dense_layers_it_takes_the_steps_of_the_optimizer():
    assert_steps_of(
        CLASSP(lr=0.05, threshold=0.01),
        lambda parameters: optim.CLASSP(parameters, lr=0.05, threshold=0.01),
    )


def test_the_dense_layers_have_no_threshold_and_their_own_learning_rate():
    network = Network(SmallBackbone(), outputs=4)
    strategy = CLASSP(lr=0.05, threshold=0.01, dense="head", dense_lr=0.002)
    sparse, dense = strategy.make_optimizer(network).param_groups
    assert (sparse["lr"], sparse["threshold"]) == (0.05, 0.01)
    assert (dense["lr"], dense["threshold"]) == (0.002, 0.0)
    assert set(map(id, dense["params"])) == set(map(id, network.head.parameters()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dense": "all"}, "dense must be one of .*'all'"),
        ({"dense_lr": -1.0}, "dense_lr must be in .*-1.0"),
        ({"threshold": -1.0}, "threshold must be .*-1.0"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        CLASSP(**options)
