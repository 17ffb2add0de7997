"""A strategy that names its optimizer has that optimizer's options and version."""

import pytest

from nanocl.plugins.catalogue import Catalogue
from nanocl.plugins.optimizers import _own
from nanocl.plugins.signature import plain_options

STRATEGY = '''
import torch

from nanocl import optim
from nanocl.strategies import Strategy


class _Plain(torch.optim.SGD):
    version = {version}

    def __init__(self, params, lr: float = 0.25, decay: float = 0.5):
        super().__init__(params, lr, weight_decay=decay)


class Example(Strategy):
    """Uses an optimizer.

    Source: a test.
    """

    optimizer_class = {optimizer}
    version = 2

    def __init__(self, *, dense: str = "none", lr: float = 0.125, **options):
        super().__init__()
        self.options = options

    def make_optimizer(self, model):
        return self.optimizer_class(model.parameters(), **self.options)
'''


@pytest.fixture
def plugin(tmp_path):
    def write(optimizer: str, version: int = 1):
        path = tmp_path / "example.py"
        path.write_text(STRATEGY.format(optimizer=optimizer, version=version))
        return Catalogue([path]).plugin("strategies", "example")

    return write


def test_options_of_a_class_in_the_same_file_are_read(plugin):
    assert plugin("_Plain").options == {
        "lr": (("float",), 0.125),
        "decay": (("float",), 0.5),
        "dense": (("str",), "none"),
    }


def test_options_of_our_own_optimizers_are_read_by_name(plugin):
    options = plugin("optim.MoFO").options
    expected = plain_options(_own("MoFO"))
    assert {name: options[name] for name in expected if name != "lr"} == {
        name: option for name, option in expected.items() if name != "lr"
    }
    assert options["lr"] == (("float",), 0.125), "the strategy's own default wins"


def test_a_new_version_of_the_optimizer_is_a_new_version_of_the_strategy(plugin):
    assert [plugin("_Plain", version).version for version in (1, 2, 5)] == [2, 3, 6]


def test_the_own_options_alone_are_read_where_the_optimizer_is_of_another_package(plugin):
    assert list(plugin("torch.optim.SGD").options) == ["dense", "lr"]


@pytest.mark.parametrize("name", ["_Plain", "optim.MoFO", "torch.optim.SGD"])
def test_the_optimizer_class_is_named_as_it_is_written(plugin, name):
    assert plugin(name).optimizer == name


def test_a_strategy_without_optimizer_class_names_none():
    assert Catalogue().plugin("strategies", "ewc").optimizer == ""
