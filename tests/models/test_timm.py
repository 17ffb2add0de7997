"""Networks of timm, with their weights and without a network connection."""

import importlib

import pytest
import torch

from nanocl.records import UserError


def test_timm_networks_take_grayscale_and_colour_images(tmp_path):
    timm = pytest.importorskip("timm")
    from nanocl.models.timm import Timm

    for architecture, inputs in (
        ("resnet10t", (1, 40, 40)),
        ("test_vit", (3, 32, 32)),
        ("test_vit", (1, 64, 64)),
    ):
        model = Timm(inputs, architecture=architecture)
        assert model(torch.rand(2, *inputs)).shape == (2, model.features)
    original = timm.create_model("resnet10t")
    torch.save(original.state_dict(), tmp_path / "timm.pth")
    model = Timm((3, 40, 40), architecture="resnet10t", weights=str(tmp_path / "timm.pth")).eval()
    images = torch.rand(2, 3, 40, 40)
    assert torch.allclose(original.eval().fc(model(images)), original(images), atol=1e-5)
    with pytest.raises(
        UserError, match="timm has no classification network 'resnet10'; did you mean"
    ):
        Timm((3, 32, 32), architecture="resnet10")


def test_timm_without_network_fails_at_once_with_one_clear_error(monkeypatch, tmp_path):
    pytest.importorskip("timm")
    from huggingface_hub import constants

    module = importlib.import_module("nanocl.models.timm")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(module, "answers", lambda url: False)
    with pytest.raises(
        UserError, match=r"cannot get the pretrained weights of timm:test_vit .*model.weights=FILE"
    ):
        module.Timm((3, 160, 160), architecture="test_vit", pretrained=True)


def test_a_missing_timm_is_named_with_the_command_that_installs_it(monkeypatch):
    module = importlib.import_module("nanocl.models.timm")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install .*\[timm\]"):
        module.Timm((3, 32, 32))
