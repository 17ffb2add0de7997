"""Strategies whose options are those of their optimizer: arguments, checks and groups."""

import pytest

from nanocl import optim
from nanocl.strategies._optimizer import Sparse, checked
from nanocl.testing import SmallBackbone
from nanocl.training.heads import Network


def test_options_become_the_arguments_of_the_optimizer_with_its_defaults():
    arguments = checked(optim.NanoAdam, {"lr": 0.01, "beta2": 0.9})
    assert (arguments["lr"], arguments["betas"], arguments["density"]) == (0.01, (0.9, 0.9), 0.1)


def test_an_option_of_no_argument_is_an_error():
    with pytest.raises(TypeError, match="NanoAdam has no option 'densty'"):
        checked(optim.NanoAdam, {"densty": 0.1})


def test_a_value_out_of_range_is_an_error_before_a_model_exists():
    with pytest.raises(ValueError, match="density must be"):
        checked(optim.NanoAdam, {"density": 2.0})


def test_the_dense_layers_take_the_learning_rate_of_the_others_unless_they_have_one():
    network = Network(SmallBackbone(), outputs=4)
    for dense_lr, expected in ((None, 0.01), (0.5, 0.5)):
        sparse = Sparse(optim.MoFO, dense_lr, "head", {"lr": 0.01})
        rest, dense = sparse.make(network).param_groups
        assert (rest["lr"], dense["lr"], dense["density"]) == (0.01, expected, 1.0)
