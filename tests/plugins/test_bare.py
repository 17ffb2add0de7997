"""Optimizers and plain plugins of Avalanche, found without the form of a nanocl plugin."""

import hashlib
from pathlib import Path

import avalanche.training.plugins
import pytest
from bare_classes import LION, PLAIN

from nanocl.plugins import bare
from nanocl.plugins.catalogue import Catalogue
from nanocl.plugins.declaration import File
from nanocl.records import UserError


def file(tmp_path, text):
    path = tmp_path / "own.py"
    path.write_text(text)
    return File(path, text, "0" * 12)


@pytest.mark.parametrize(("text", "name", "brings"), [(LION, "Lion", True), (PLAIN, "Scaled", 0)])
def test_the_class_of_a_file_is_found_without_running_it(tmp_path, text, name, brings):
    own = file(tmp_path, text + "\nraise SystemExit\n")
    for class_name in ("", name):
        plugin = bare.in_file(own, "own", class_name)
        assert (plugin.class_name, plugin.is_bare, plugin.brings_optimizer) == (name, True, brings)


def test_a_strategy_is_no_bare_class(tmp_path):
    assert bare.in_file(file(tmp_path, "class Mine(Strategy):\n    pass\n"), "own", "Mine") is None


def test_a_class_that_the_file_does_not_hold_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(
        UserError, match=r"own.py has no class or function 'Loin'; did you mean 'Lion'"
    ):
        bare.in_file(file(tmp_path, LION), "own", "Loin")


def test_an_installed_class_has_the_hash_of_its_file():
    plugin = bare.of_module("avalanche:EWCPlugin")
    content = Path(avalanche.training.plugins.ewc.__file__).read_bytes()
    assert plugin.source_hash == hashlib.sha256(content).hexdigest()[:12]
    assert "Avalanche" in plugin.citation and not plugin.brings_optimizer
    part = Catalogue(["torch.optim:RAdam"]).complete("strategies", "torch.optim:RAdam", {})
    assert len(part.plugin) == 12 and part.options["beta1"] == 0.9


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("avalanche:EWCPlugn", "has no class 'EWCPlugn'; did you mean 'EWCPlugin'"),
        ("no.such:Lion", "the module no.such cannot be loaded: ModuleNotFoundError"),
        ("builtins:int", "must come from a file"),
    ],
)
def test_a_class_that_does_not_exist_is_refused(reference, message):
    with pytest.raises(UserError, match=message):
        bare.of_module(reference)
