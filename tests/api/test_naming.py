"""Classes and files become the names and plugin files of the command."""

import importlib
import importlib.util
import sys
from functools import partial

import pytest
import torch
import torchvision

from nanocl.api.naming import Names
from nanocl.models.mlp import MLP
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError
from nanocl.strategies import Strategy
from nanocl.strategies.ewc import EWC

STRATEGY = '''from nanocl.strategies import Strategy
class Halved(Strategy):
    """Nothing yet."""
    def __init__(self, *, factor: float = 0.5) -> None:
        super().__init__()
class _Other(Strategy):
    pass
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module as `import halved_gradient` leaves it."""
    path = tmp_path / "halved_gradient.py"
    path.write_text(STRATEGY)
    spec = importlib.util.spec_from_file_location("halved_gradient", path)
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "halved_gradient", made)
    spec.loader.exec_module(made)
    return made


def test_a_name_stays_and_a_class_of_nanocl_has_its_own():
    names = Names()
    assert names.of("strategies", "torch:Muon") == "torch:Muon"
    assert names.of("strategies", EWC) == "ewc" and not names.files


def test_a_class_is_the_plugin_of_its_file(module):
    names = Names()
    assert names.of("strategies", module.Halved) == "halved-gradient"
    assert names.of("strategies", module.__file__) == "halved-gradient"
    assert [str(path) for path in names.files] == [module.__file__]
    catalogue = Catalogue(names.files)
    names.check(catalogue)
    assert catalogue.complete("strategies", "halved-gradient", {}).options == {"factor": 0.5}


def test_another_class_of_a_plugin_file_is_refused(module):
    names = Names()
    names.of("strategies", module._Other)
    with pytest.raises(UserError, match=r"_Other is not the strategy of .*, which holds Halved"):
        names.check(Catalogue(names.files))


def test_a_class_of_a_notebook_cell_is_refused_with_what_to_do(monkeypatch):
    class MyIdea(Strategy):
        pass

    for module in ("__main__", "no_such_module"):
        MyIdea.__module__ = module
        with pytest.raises(UserError, match=r"%%writefile my_idea\.py") as raised:
            Names().of("strategies", MyIdea)
        assert "\n" not in str(raised.value)


def test_an_instance_is_refused_with_where_options_go():
    with pytest.raises(UserError, match=r"a model is given as a name, .*set="):
        Names().of("models", 3.0)


def test_a_function_that_makes_a_model_is_named_by_its_file(tmp_path, monkeypatch):
    code = "from torch import nn\ndef make_net(width=3):\n    return nn.Identity()\n"
    (tmp_path / "my_nets.py").write_text(
        code + "class A(nn.Module): ...\nclass B(nn.Module): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    module = importlib.import_module("my_nets")
    names = Names()
    assert names.of("models", module.make_net) == "my-nets:make_net"
    assert names.of("models", f"{tmp_path / 'my_nets.py'}:make_net") == "my-nets:make_net"
    assert [*map(str, names.files)] == [f"{tmp_path / 'my_nets.py'}:make_net"]
    assert names.of("models", partial(module.make_net, width=4)) == "my-nets:make_net"
    assert names.settings == {"model": {"width": 4}}
    assert names.of("models", module.B) == "my-nets:B"
    names.check(Catalogue(names.files))
    assert names.of("models", torchvision.models.resnet18) == "torchvision:resnet18"
    monkeypatch.delitem(sys.modules, "my_nets")


def test_a_model_that_no_file_holds_is_refused_with_what_to_write(monkeypatch):
    def make_net():
        return torch.nn.Identity()

    for wrong in (lambda: torch.nn.Identity(), torch.nn.Sequential(torch.nn.Linear(2, 2))):
        with pytest.raises(UserError, match="or a function in a file that returns it") as raised:
            Names().of("models", wrong)
        assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="is made while the program runs: write it at the top"):
        Names().of("models", make_net)
    make_net.__module__ = "__main__"
    make_net.__qualname__ = "make_net"
    with pytest.raises(UserError, match=r"%%writefile make_net.py .* 'make_net.py:make_net'"):
        Names().of("models", make_net)


def test_a_protocol_file_stays_a_path(tmp_path):
    assert Names().of("streams", tmp_path / "mine.toml") == str(tmp_path / "mine.toml")


def test_a_configured_class_is_its_name_with_settings():
    names = Names()
    configured = partial(torch.optim.RAdam, lr=0.1, betas=(0.8, 0.9))
    assert names.of("strategies", configured) == "torch.optim.radam:RAdam"
    assert names.of("strategies", partial(EWC, strength=3.0)) == "ewc"
    assert names.of("models", partial(MLP, width=8)) == "mlp"
    assert names.settings == {
        "torch.optim.radam:RAdam": {"lr": 0.1, "beta1": 0.8, "beta2": 0.9},
        "ewc": {"strength": 3.0},
        "model": {"width": 8},
    }
    with pytest.raises(UserError, match=r"ewc is configured in two ways: .* set=\{'ewc.option'"):
        names.of("strategies", partial(EWC, strength=4.0))


@pytest.mark.parametrize("factory", [lambda: 0, partial(max, 1), EWC()])
def test_what_no_record_can_hold_is_refused_with_what_to_write(factory):
    with pytest.raises(UserError, match=r"functools.partial"):
        Names().of("strategies", factory)


def test_classes_of_files_and_modules_by_name_are_read():
    names = Names()
    assert names.of("strategies", "a/my_lion.py:Lion+ewc") == "my-lion:Lion+ewc"
    assert names.of("strategies", "avalanche:EWCPlugin") == "avalanche:EWCPlugin"
    assert [*map(str, names.files)] == ["a/my_lion.py:Lion", "avalanche:EWCPlugin"]


def test_a_model_class_of_a_package_is_known_by_its_module_and_one_of_a_file_by_its_file(
    tmp_path, monkeypatch
):
    code = "from torch import nn\nclass OwnNet(nn.Module):\n    pass\n"
    folder = tmp_path / "own_package"
    folder.mkdir()
    for path in (folder / "nets.py", tmp_path / "own_net.py"):
        path.write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = Names()
    packaged = importlib.import_module("own_package.nets").OwnNet
    assert names.of("models", packaged) == "own_package.nets:OwnNet"
    assert names.of("models", importlib.import_module("own_net").OwnNet) == "own-net"


class Outer:
    class MLP(torch.nn.Module):
        """Named as a class at the top of the file of another, by which it must not be replaced."""


def test_a_class_inside_another_is_refused():
    Outer.MLP.__module__ = "nanocl.models.mlp"
    with pytest.raises(UserError, match=r"Outer\.MLP must stand at the top of its file"):
        Names().of("models", Outer.MLP)
