"""Parameter groups: norms by type, class or name, the head by the model or its position."""

import pytest
import torch
from state_counts import network
from torch import nn

from nanocl.libraries.groups import (
    NORMS,
    dense_groups,
    head_parameters,
    layer_groups,
    norm_layers,
    norm_parameters,
)
from nanocl.testing import SmallBackbone
from nanocl.training.heads import Network


def test_norms_are_found_by_type_and_the_head_by_the_model_or_as_its_last_linear_layer():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1),
        nn.BatchNorm2d(2),
        nn.GroupNorm(1, 2),
        nn.Flatten(),
        nn.Linear(2, 3),
        nn.LayerNorm(3),
        nn.Linear(3, 2),
        nn.BatchNorm1d(2, affine=False),
    )
    assert norm_parameters(model) == {
        f"{i}.{name}" for i in (1, 2, 5) for name in ("weight", "bias")
    }
    assert head_parameters(model) == {"6.weight", "6.bias"}
    own = Network(SmallBackbone(), outputs=4, kind="own", classes=((0, 1), (2, 3)))
    assert head_parameters(own) == {"head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"}
    assert head_parameters(nn.Conv2d(1, 1, 1)) == set()


class LlamaRMSNorm(nn.Module):
    """A norm that derives from no type of torch's, as in transformers."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))


class Scale(LlamaRMSNorm):
    """Only its name in the model shows what it is."""


class NormFreeBlock(nn.Sequential):
    """A block with a scale of its own and layers inside."""

    def __init__(self):
        super().__init__(nn.Linear(2, 2))
        self.gain = nn.Parameter(torch.ones(()))


def test_norms_of_other_packages_are_found_by_class_or_name_and_layers_called_norm_are_not():
    model = nn.ModuleDict(
        {
            "first": LlamaRMSNorm(3),
            "channels": LlamaRMSNorm(1, 3, 1, 1),
            "input_layernorm": Scale(3),
            "ln_1": Scale(3),
            "bn2": Scale(3),
            "norm_proj": nn.Linear(3, 3),
            "gamma": Scale(3),
            "block": NormFreeBlock(),
            "norm_matrix": LlamaRMSNorm(3, 3),
            "learn": Scale(3),
            "plain": nn.LayerNorm((2, 3)),
        }
    )
    assert norm_layers(model) == {
        "first": "class",
        "channels": "class",
        "input_layernorm": "name",
        "ln_1": "name",
        "bn2": "name",
        "plain": "type",
    }


def test_the_norms_of_our_models_are_those_of_torchs_types():
    for name in ("resnet32", "slim-resnet18", "small-cnn", "torchvision:resnet18"):
        options = {"norm": "batch"} if name == "small-cnn" else {}
        with torch.device("meta"):
            model = network(name, (3, 32, 32), 10, **options)
        norms = {path for path, module in model.named_modules() if isinstance(module, NORMS)}
        assert {*norm_layers(model)} == norms and norms


@pytest.mark.parametrize("dense", ["norms+head", "norms", "head", "none"])
def test_every_parameter_is_in_one_group_even_when_frozen(dense):
    network = Network(SmallBackbone(), outputs=4)
    network.backbone[1].weight.requires_grad_(False)
    grouped = [p for group in dense_groups(network, dense, 0.1) for p in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, network.parameters()))


def test_the_named_layers_get_the_options_and_an_empty_group_is_left_out():
    network = Network(SmallBackbone(), outputs=4)
    rest, head = layer_groups(network, "head", {"rank": None})
    assert "rank" not in rest and head["rank"] is None
    assert set(map(id, head["params"])) == set(map(id, network.head.parameters()))
    assert len(layer_groups(network, "none", {"rank": None})) == 1
