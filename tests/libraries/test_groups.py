"""Parameter groups: norms are recognised by type, the head by the model or its position."""

import pytest
from torch import nn

from nanocl.libraries.groups import dense_groups, head_parameters, layer_groups, norm_parameters
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
