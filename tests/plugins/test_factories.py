"""A function that makes a model is a plugin, with the options of its signature."""

import pytest
import torch
from torch import nn

from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError

NET = """
from torch import nn

from .sizes import FEATURES

class Other:
    pass

class Net(nn.Module):
    def __init__(self, inputs, *, depth: int = 1):
        super().__init__()
        self.features = FEATURES
        self.layer = nn.Linear(inputs[0], FEATURES)

    def forward(self, inputs):
        return self.layer(inputs)
"""
CODE = '''
from torch import nn

def make_net(inputs, width=32, *, bias: bool = True, rate: float | None = None, sizes=(1, 2)):
    """A small network."""
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs[0], width, bias=bias))

def plain():
    return nn.Identity()

def headed(inputs, classes):
    return nn.Linear(inputs[0], classes)

def named(*, width):
    return nn.Identity()

class Block(nn.Module):
    pass

class Net(nn.Module):
    """A class among others."""
    def __init__(self, *, width: int = 3):
        super().__init__()
'''


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "my_nets.py"
    file.write_text(CODE)
    return file


def test_its_options_are_those_of_its_signature(path):
    catalogue = Catalogue([f"{path}:make_net"])
    plugin = catalogue.plugin("models", "my-nets:make_net")
    assert plugin.summary == "A small network."
    part = catalogue.complete("models", "my-nets:make_net", {"width": "8"})
    assert part.options == {"width": 8, "bias": True, "rate": None}
    assert part.plugin and part.plugin == plugin.file.hash
    made = catalogue.make("models", part, (5,))
    assert made(torch.zeros(2, 5)).shape == (2, 8)


def test_without_an_argument_for_the_inputs_it_gets_none(path):
    catalogue = Catalogue([f"{path}:plain"])
    part = catalogue.complete("models", "my-nets:plain", {})
    assert isinstance(catalogue.make("models", part, (5,)), nn.Identity)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("headed", "headed needs inputs, classes, but .* the shape of the inputs as its first arg"),
        ("named", "named needs width, but a function that makes a model"),
        ("make_nets", "has no class or function 'make_nets'; did you mean 'make_net'"),
    ],
)
def test_what_it_cannot_get_is_named_with_what_to_write(path, name, said):
    with pytest.raises(UserError, match=said) as raised:
        Catalogue([f"{path}:{name}"])
    assert "\n" not in str(raised.value)


def test_a_file_alone_does_not_say_which_function(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text("def make_net():\n    pass\n")
    with pytest.raises(UserError, match=r"a function that makes a model is named .*py:FUNCTION"):
        Catalogue([path])


def test_a_class_among_several_of_a_file_is_a_model(path):
    catalogue = Catalogue([f"{path}:Net"])
    assert catalogue.complete("models", "my-nets:Net", {}).options == {"width": 3}


def test_a_class_of_a_package_is_a_model_and_may_import_its_neighbours(tmp_path, monkeypatch):
    folder = tmp_path / "my_models"
    folder.mkdir()
    (folder / "sizes.py").write_text("FEATURES = 6\n")
    (folder / "nets.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue = Catalogue(["my_models.nets:Net"])
    part = catalogue.complete("models", "my_models.nets:Net", {"depth": 3})
    assert part.options == {"depth": 3} and len(part.plugin) == 12
    made = catalogue.make("models", part, (4,))
    assert made(torch.zeros(2, 4)).shape == (2, 6)
    (folder / "nets.py").write_text(NET + "# another version\n")
    again = Catalogue(["my_models.nets:Net"]).complete("models", "my_models.nets:Net", {})
    assert again.plugin != part.plugin


def test_a_function_of_a_package_is_known_by_its_module(tmp_path, monkeypatch):
    folder = tmp_path / "my_package"
    folder.mkdir()
    (folder / "nets.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue = Catalogue(["my_package.nets:make_net"])
    part = catalogue.complete("models", "my_package.nets:make_net", {})
    assert part.options["width"] == 32 and len(part.plugin) == 12
    assert catalogue.make("models", part, (4,))(torch.zeros(1, 4)).shape == (1, 32)
