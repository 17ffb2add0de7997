"""Parameters of models by name are those that a run builds."""

import pytest
import torch
from state_counts import network

from nanocl.footprint import models
from nanocl.optim.groups import head_parameters, norm_parameters
from nanocl.records import UserError


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("mlp", (20,)),
        ("resnet32", (3, 32, 32)),
        ("slim-resnet18", (3, 32, 32)),
        ("torchvision:resnet18", (3, 64, 64)),
        ("timm:vit_tiny_patch16_224", (3, 32, 32)),
        ("timm:convnext_atto_rms", (3, 64, 64)),
    ],
)
def test_norms_and_output_layer_are_those_that_a_run_trains_densely(model, inputs):
    if model.startswith("timm"):
        pytest.importorskip("timm")
    with torch.device("meta"):
        real = network(model, inputs, 10)
    weights = models.weights_of(model, inputs=inputs, outputs=10)
    assert {weight.name for weight in weights} == {name for name, _ in real.named_parameters()}
    assert {weight.name for weight in weights if weight.role == "norm"} == norm_parameters(real)
    assert {weight.name for weight in weights if weight.role == "head"} == head_parameters(real)


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet18", 11_689_512), ("vit_b_16", 86_567_656), ("regnet_y_400mf", 4_344_144)],
)
def test_torchvision_networks_have_their_published_number_of_parameters(name, published):
    assert sum(weight.numel for weight in models.weights_of(f"torchvision:{name}")) == published


def test_the_default_input_is_an_image_of_the_models_own_size():
    assert models.weights_of("mlp") == models.weights_of("mlp", inputs=(3, 32, 32), outputs=10)
    collection = models.weights_of("torchvision:resnet18")
    assert collection == models.weights_of(
        "torchvision:resnet18", inputs=(3, 224, 224), outputs=1000
    )


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("lama-2-7b", {}, "unknown model 'lama-2-7b'; did you mean 'llama-2-7b'?"),
        ("llama-2-7b", {"inputs": (3, 4, 4)}, "takes neither --set model.OPTION nor --inputs"),
        ("student", {}, "set the shape of its inputs with --inputs"),
        ("mlp", {"options": {"widht": "3"}}, "did you mean 'width'"),
    ],
)
def test_a_model_that_cannot_be_built_is_an_error_with_a_hint(model, options, message):
    with pytest.raises(UserError, match=message):
        models.weights_of(model, **options)
