"""Networks of torchvision, with their weights and without a network connection."""

import hashlib
import importlib
import re

import pytest
import torch
from backbones import seeded
from torchvision import models

from nanocl.models.torchvision import Torchvision, published_hash
from nanocl.protocols import backbones
from nanocl.records import Part, UserError


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


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """Puts a file into torch's cache as the published weights; without a network."""
    module = importlib.import_module("nanocl.models.torchvision")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(module, "answers", lambda url: False)

    def put(content, architecture="resnet18", *, published=True):
        url = models.get_model_weights(architecture).DEFAULT.url
        path = tmp_path / "hub" / "checkpoints" / url.rsplit("/", 1)[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path)
        if published:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
            monkeypatch.setattr(module, "published_hash", lambda architecture: digest)
        return path

    return put


@pytest.mark.parametrize("architecture", ["resnet18", "googlenet"])
def test_pretrained_weights_in_the_cache_need_no_network(cached, architecture):
    original = seeded(lambda inputs: models.get_model(architecture), None, 9)
    cached(original.state_dict(), architecture)
    model = Torchvision((3, 64, 64), architecture=architecture, pretrained=True)
    state = model.network.state_dict()
    assert len(state) > 20
    assert all(torch.equal(state[name], original.state_dict()[name]) for name in state)


def test_pretrained_googlenet_transforms_its_inputs_as_torchvisions_does(cached):
    # torchvision sets this option where it loads the weights, which were trained with it
    original = seeded(lambda inputs: models.googlenet(transform_input=True), None, 9).eval()
    cached(original.state_dict(), "googlenet")
    model = Torchvision((3, 64, 64), architecture="googlenet", pretrained=True).eval()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(original.fc(model(images)), original(images))


OLD_NAMES = {
    "densenet121": lambda name: re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", name),
    "vit_b_32": lambda name: re.sub(
        r"mlp\.([03])\.", lambda m: f"mlp.linear_{int(m[1]) // 3 + 1}.", name
    ),
}


@pytest.mark.parametrize("architecture", OLD_NAMES)
def test_published_weights_with_the_names_of_older_networks_are_read(cached, architecture):
    original = seeded(lambda inputs: models.get_model(architecture), None, 9)
    state = original.state_dict()
    older = {OLD_NAMES[architecture](name): value for name, value in state.items()}
    assert older.keys() != state.keys()
    cached(older, architecture)
    model = Torchvision((3, 224, 224), architecture=architecture, pretrained=True)
    read = model.network.state_dict()
    assert len(read) > 100 and all(torch.equal(read[name], state[name]) for name in read)


def test_weights_of_another_network_are_refused(cached):
    cached(models.resnet34().state_dict())
    with pytest.raises(UserError, match=r"do not fit: the file lacks nothing; it has layer1\.2"):
        Torchvision((3, 32, 32), pretrained=True)


def test_a_file_that_has_not_the_published_hash_is_refused(cached):
    path = cached(models.resnet18().state_dict(), published=False)
    with pytest.raises(UserError, match=f"{path} .* SHA-256 must begin with f37072fd, got "):
        Torchvision((3, 32, 32), pretrained=True)


def test_code_in_a_file_of_pretrained_weights_is_not_run(cached, capsys):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    cached({"conv1.weight": Evil()})
    with pytest.raises(UserError, match="need unpickling are refused"):
        Torchvision((3, 32, 32), pretrained=True)
    assert capsys.readouterr().out == ""


def test_every_network_has_a_published_hash_that_enters_the_digest():
    names = models.list_models(module=models)
    hashes = {published_hash(name) for name in names}
    assert len(names) > 60 and len(hashes) == len(names)
    runs = [
        Part("torchvision", {"architecture": name, "pretrained": True, "weights": ""})
        for name in ("resnet18", "resnet34")
    ]
    assert [backbones.pinned(run, None).weights for run in runs] == [
        published_hash("resnet18"),
        published_hash("resnet34"),
    ]
