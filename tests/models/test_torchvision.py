"""Networks of torchvision, with their weights and without a network connection."""

import importlib

import pytest
import torch
from backbones import seeded
from torchvision import models

from nanocl.models.torchvision import Torchvision
from nanocl.records import UserError


def test_torchvisions_own_files_fit_its_networks(tmp_path):
    for architecture in ("resnet18", "squeezenet1_1", "googlenet"):
        original = models.get_model(architecture, weights=None)
        torch.save(original.state_dict(), tmp_path / "original.pth")
        model = Torchvision(
            (3, 64, 64), architecture=architecture, weights=str(tmp_path / "original.pth")
        )
        state = model.network.state_dict()
        assert len(state) > 20 and all(
            torch.equal(value, original.state_dict()[name]) for name, value in state.items()
        )


def test_torchvision_features_are_the_inputs_of_its_output_layer_for_grayscale_images_too():
    ours = seeded(Torchvision, (1, 40, 40)).eval()
    theirs = seeded(lambda inputs: models.resnet18(), None).eval()
    images = torch.rand(2, 1, 40, 40)
    assert torch.allclose(theirs.fc(ours(images)), theirs(images.expand(-1, 3, -1, -1)), atol=1e-5)


def test_pretrained_weights_without_network_are_one_clear_error(monkeypatch, tmp_path):
    module = importlib.import_module("nanocl.models.torchvision")
    monkeypatch.setattr(module, "answers", lambda url: False)
    monkeypatch.setattr(module, "get_dir", lambda: str(tmp_path))
    with pytest.raises(
        UserError,
        match=r"resnet18-f37072fd.pth does not answer; copy them there, or .*model.weights",
    ):
        Torchvision((3, 32, 32), pretrained=True)


def test_pretrained_weights_in_the_cache_need_no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        importlib.import_module("nanocl.models.torchvision"), "answers", lambda url: False
    )
    original = seeded(lambda inputs: models.resnet18(), None, 9)
    path = tmp_path / "hub" / "checkpoints" / models.ResNet18_Weights.DEFAULT.url.rsplit("/", 1)[1]
    path.parent.mkdir(parents=True)
    torch.save(original.state_dict(), path)
    model = Torchvision((3, 32, 32), pretrained=True)
    # torchvision checks the hash of what it downloads only
    assert torch.equal(model.network.conv1.weight, original.conv1.weight)
