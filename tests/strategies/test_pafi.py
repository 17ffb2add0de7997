"""PaFi as a strategy: one selection for the network, with dense norms and output layer."""

import pytest
from optimizer_steps import assert_steps_of

from nanocl import optim
from nanocl.plugins.catalogue import Catalogue
from nanocl.strategies.pafi import PaFi
from nanocl.testing import SmallBackbone
from nanocl.training.heads import Network


def test_without_dense_layers_it_takes_the_steps_of_the_optimizer():
    assert_steps_of(
        PaFi(lr=0.01, density=0.3, dense="none"),
        lambda parameters: optim.PaFi(parameters, lr=0.01, density=0.3),
    )


def test_norms_and_output_layer_are_dense_by_default():
    network = Network(SmallBackbone(), outputs=4)
    sparse, dense = PaFi(density=0.3, dense_lr=0.5).make_optimizer(network).param_groups
    assert (sparse["density"], dense["density"], dense["lr"]) == (0.3, 1.0, 0.5)
    expected = [*network.backbone[2].parameters(), *network.head.parameters()]
    assert set(map(id, dense["params"])) == set(map(id, expected))


def test_the_layout_of_its_state_is_no_option():
    options = Catalogue().plugin("strategies", "pafi").options
    assert "chunk_size" not in options and options["density"] == (("float",), 0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 1.5}, "density must be .*1.5"),
        ({"dense": "all"}, "dense must be one of .*'all'"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        PaFi(**options)
