"""Backbones start from files of weights safely."""

import math
import pickle

import pytest
import torch
from backbones import same, seeded, state_of
from safetensors.torch import save_file
from torch import nn

from nanocl.models._weights import load_weights, output_layer, read_state
from nanocl.models.mlp import MLP
from nanocl.models.resnet32 import ResNet32
from nanocl.models.slim_resnet18 import SlimResNet18
from nanocl.models.small_cnn import SmallCNN
from nanocl.models.torchvision import Torchvision
from nanocl.records import UserError
from nanocl.training.heads import Network

WEIGHTED = {
    "mlp": (MLP, (1, 8, 8)),
    "small-cnn": (SmallCNN, (3, 16, 16)),
    "slim-resnet18": (SlimResNet18, (3, 16, 16)),
    "resnet32": (
        lambda inputs, weights="": ResNet32(inputs, depth=20, weights=weights),
        (3, 16, 16),
    ),
    "torchvision": (
        lambda inputs, weights="": Torchvision(inputs, architecture="resnet18", weights=weights),
        (3, 64, 64),
    ),
}


@pytest.mark.parametrize("form", ["backbone", "network", "data parallel", "nested", "safetensors"])
@pytest.mark.parametrize(("make", "inputs"), WEIGHTED.values(), ids=WEIGHTED)
def test_weights_are_read_from_every_usual_form_of_file(tmp_path, make, inputs, form):
    model = seeded(make, inputs, 1)
    state, file = model.state_dict(), tmp_path / "weights.pt"
    if form == "network":
        state = Network(model, outputs=3, kind="seen").state_dict()
    elif form == "data parallel":
        state = {f"module.{name}": value for name, value in state.items()} | {
            "module.linear.bias": torch.zeros(10)
        }
    elif form == "nested":
        state = {"epoch": 3, "state_dict": state}
    if form == "safetensors":
        file = tmp_path / "weights.safetensors"
        save_file(state, file)
    else:
        torch.save(state, file)
    torch.manual_seed(2)
    assert same(make(inputs, weights=str(file)).state_dict(), model.state_dict())


class Hostile:
    def __reduce__(self):
        return print, ("unpickled",)


def test_a_file_that_needs_unpickling_is_refused_and_not_run(tmp_path, capsys):
    state = {"layers.0.weight": Hostile()}
    torch.save(state, tmp_path / "torch.pt")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(state))
    for name in ("torch.pt", "plain.pkl"):
        with pytest.raises(
            UserError, match=r"cannot read weights .*files that need unpickling are refused"
        ) as caught:
            MLP((4,), weights=str(tmp_path / name))
        assert "\n" not in str(caught.value)
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_a_damaged_file_is_named(tmp_path, name):
    state, path = MLP((4,)).state_dict(), tmp_path / name
    save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
    whole = path.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        b"not weights",
        whole[:5] + b"\xff" * 40 + whole[45:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=f"cannot read weights .*{name}"):
            MLP((4,), weights=str(path))


def test_weights_that_do_not_fit_change_nothing_and_the_error_names_them(tmp_path):
    path = tmp_path / "weights.pt"
    model = MLP((4,), width=5)
    before, state = state_of(model), state_of(MLP((4,), width=6, depth=1))
    torch.save(state | {"extra": torch.zeros(1)}, path)
    faults = (
        r"the file lacks layers.2.weight, layers.2.bias; it has unknown extra; "
        r"it has layers.0.weight \(6, 4\) instead of \(5, 4\), layers.0.bias"
    )
    with pytest.raises(UserError, match=f"do not fit MLP: {faults}"):
        load_weights(model, str(path))
    assert same(model.state_dict(), before)
    torch.save({"layers.0.weight": 3}, path)
    with pytest.raises(UserError, match="must contain named tensors"):
        load_weights(model, str(path))
    with pytest.raises(UserError, match=r"no file of weights .*missing.pt"):
        load_weights(model, str(tmp_path / "missing.pt"))


def test_the_output_layer_is_read_from_nanocl_networks_and_from_other_files(tmp_path):
    backbone = MLP((4,), width=5)
    network = Network(backbone, outputs=5, kind="own", classes=((0, 1), (2, 3, 4)))
    torch.save(network.state_dict(), tmp_path / "ours.pt")
    for label in (0, 1):
        layer = output_layer(str(tmp_path / "ours.pt"), label)
        assert same(layer, dict(network.head[label].state_dict()))
    assert output_layer(str(tmp_path / "ours.pt"), 2) is None
    head = nn.Linear(5, 3)
    state = {f"module.fc.{name}": value for name, value in head.state_dict().items()}
    torch.save(backbone.state_dict() | state, tmp_path / "other.pt")
    assert same(output_layer(str(tmp_path / "other.pt")), dict(head.state_dict()))
    assert output_layer(str(tmp_path / "other.pt"), 1) is None
    torch.save(backbone.state_dict(), tmp_path / "none.pt")
    assert output_layer(str(tmp_path / "none.pt")) is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({3: torch.zeros(2)}, "a name that is no text, 3"),
        ({"head.weight": torch.zeros(2, 2).to_sparse()}, "head.weight, which is not a dense"),
        ({"head.weight": torch.tensor([1.0, math.nan])}, "head.weight with NaN or infinity"),
        ({"head.weight": torch.tensor([math.inf]).bfloat16()}, "head.weight with NaN"),
        ({"head.weight": 1.5}, "head.weight of type float"),
    ],
)
def test_an_entry_that_no_network_can_start_from_is_named(tmp_path, entry, words):
    torch.save(entry, tmp_path / "odd.pt")
    with pytest.raises(UserError, match=f"must contain named tensors of numbers, got {words}"):
        read_state(str(tmp_path / "odd.pt"))
