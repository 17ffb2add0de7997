"""A model's weights are identified by their content, not by their name."""

import pytest

from nanocl import data
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import backbones, suite
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.records.roots import Folders


def specs(**values):
    return suite.specs(Request(**values), Catalogue())


def test_other_weights_under_the_same_name_are_another_run_below_the_home_folder_too(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w.safetensors").write_bytes(b"one")
    given = {
        "settings": {"model": {"weights": "~/w.safetensors"}},
        "strategies": ("adamw",),
        "seeds": (0,),
    }
    before = specs(**given)[0].digest
    (tmp_path / "w.safetensors").write_bytes(b"two")
    assert specs(**given)[0].digest != before


PLUGIN = '''
from torch import nn


class Mine(nn.Module):
    """A linear layer.

    Source: a test.
    """

    citation = ""

    def __init__(self, inputs, *, weights: str = ""):
        super().__init__()
'''


def part(tmp_path, text=PLUGIN, data_root=None, **values):
    path = tmp_path / "mine.py"
    path.write_text(text)
    completed = backbones.complete("mine", values, Catalogue([path]))
    return backbones.pinned(completed, data_root or tmp_path)


def test_weights_in_the_data_root_are_named_relative_to_it(tmp_path):
    (tmp_path / "first.pt").write_bytes(b"weights")
    one = part(tmp_path, weights="first.pt")
    other = part(tmp_path, weights=str(tmp_path / "first.pt"))
    assert one == other and one.options["weights"] == "first.pt"


def test_weights_in_a_later_data_root_are_those_in_the_only_one(tmp_path):
    (tmp_path / "first.pt").write_bytes(b"weights")
    both = Folders((tmp_path / "empty", tmp_path))
    for name in ("first.pt", str(tmp_path / "first.pt")):
        assert part(tmp_path, weights=name, data_root=both) == part(tmp_path, weights="first.pt")


def test_plugin_file_and_weights_are_two_hashes(tmp_path):
    (tmp_path / "first.pt").write_bytes(b"weights")
    before = part(tmp_path, weights="first.pt")
    edited = part(tmp_path, PLUGIN + "# edited\n", weights="first.pt")
    (tmp_path / "first.pt").write_bytes(b"other weights")
    other = part(tmp_path, PLUGIN + "# edited\n", weights="first.pt")
    assert before.weights == edited.weights != other.weights
    assert before.plugin != edited.plugin == other.plugin


def test_missing_weights_are_named_with_the_places_that_were_searched(tmp_path):
    model = backbones.complete("resnet32", {"weights": "no.pt"}, Catalogue())
    with pytest.raises(UserError, match=r"no file of weights no\.pt.*no\.pt.*model\.weights=FILE"):
        backbones.pinned(model, tmp_path)


def test_pretraining_has_the_fingerprint_of_its_data_in_a_field_of_its_own(tmp_path):
    model = backbones.complete("resnet32", {"pretrain": "digits"}, Catalogue())
    pinned = backbones.pinned(model, tmp_path, reading={"image_size": 8})
    assert pinned.pretrained_on == data.fingerprint("digits", tmp_path, image_size=8)
    assert pinned.weights == pinned.plugin == ""


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("resnet18", "torchvision:resnet18"),
        ("mlp", "mlp"),
        ("torchvision:resnet18", "torchvision:resnet18"),
        ("resnet-18", "resnet-18"),
    ],
)
def test_a_network_of_torchvision_needs_no_prefix(name, full):
    assert backbones.full_name(name, Catalogue()) == full


def test_the_run_of_the_short_name_is_that_of_the_full_one():
    short, full = (specs(model=model)[0] for model in ("resnet18", "torchvision:resnet18"))
    assert short.digest == full.digest
