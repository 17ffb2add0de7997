"""All backbones have the published sizes, take images of all kinds and start from a seed."""

import pytest
import torch
from backbones import parameters, same, seeded, state_of
from torch import nn

from nanocl.models.mlp import MLP
from nanocl.models.resnet32 import ResNet32
from nanocl.models.slim_resnet18 import SlimResNet18
from nanocl.models.small_cnn import SmallCNN
from nanocl.models.student import Student
from nanocl.models.torchvision import Torchvision
from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue

IMAGE_MODELS = {
    "mlp": MLP,
    "small-cnn": SmallCNN,
    "small-cnn with batch norm": lambda inputs: SmallCNN(inputs, width=8, norm="batch"),
    "small-cnn with group norm": lambda inputs: SmallCNN(inputs, width=8, norm="group"),
    "slim-resnet18": SlimResNet18,
    "resnet32": ResNet32,
    "resnet20": lambda inputs: ResNet32(inputs, depth=20),
    "torchvision": Torchvision,
    "torchvision squeezenet": lambda inputs: Torchvision(inputs, architecture="squeezenet1_1"),
}


@pytest.mark.parametrize(
    ("model", "classes", "published"),
    [
        (MLP((1, 28, 28)), 10, 478_410),  # 784-400-400-10
        (
            ResNet32((3, 32, 32), depth=20),
            10,
            269_722,
        ),  # "0.27M", He et al., table 6; the file of public weights
        (ResNet32((3, 32, 32)), 10, 464_154),  # "0.46M"
        (ResNet32((3, 32, 32), depth=56), 10, 853_018),  # "0.85M"
        (SlimResNet18((3, 32, 32), width=64), 10, 11_173_962),  # the ResNet-18 usual on CIFAR-10
        (Torchvision((3, 224, 224)), 1000, 11_689_512),  # torchvision's table
        (Torchvision((3, 64, 64), architecture="mobilenet_v2"), 1000, 3_504_872),
    ],
)
def test_models_with_their_output_layer_have_the_published_number_of_parameters(
    model, classes, published
):
    assert parameters(model, nn.Linear(model.features, classes)) == published


@pytest.mark.parametrize("inputs", [(1, 28, 28), (3, 32, 32), (3, 64, 48)])
@pytest.mark.parametrize("make", IMAGE_MODELS.values(), ids=IMAGE_MODELS)
def test_a_backbone_gives_one_vector_per_image_of_any_size(make, inputs):
    model = make(inputs)
    result = model(torch.rand(2, *inputs))
    assert result.shape == (2, model.features)
    assert result.is_contiguous() and result.dtype == torch.float32


@pytest.mark.parametrize("make", IMAGE_MODELS.values(), ids=IMAGE_MODELS)
def test_one_seed_gives_the_same_weights_and_another_seed_different_ones(make):
    first, again, other = (state_of(seeded(make, (3, 32, 32), seed)) for seed in (4, 4, 5))
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize(
    "make", [*IMAGE_MODELS.values(), lambda inputs: nn.Sequential(nn.Flatten(), Student((3072,)))]
)
def test_every_parameter_is_trained_and_kept_in_the_plain_layout(make):
    model = seeded(make, (3, 32, 32))
    model(torch.rand(4, 3, 32, 32)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.is_contiguous() and parameter.grad.is_contiguous(), name
    assert sum(bool(p.grad.any()) for p in model.parameters()) > 0.9 * len(list(model.parameters()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP((4,), width=0), "width must be at least 1, got 0"),
        (lambda: MLP((4,), depth=0), "depth must be at least 1, got 0"),
        (lambda: SmallCNN((3, 7, 32)), r"sides of at least 8, got \(3, 7, 32\)"),
        (
            lambda: SmallCNN((3, 32, 32), width=12, norm="group"),
            "width must be a multiple of 8, got 12",
        ),
        (
            lambda: SmallCNN((3, 32, 32), norm="layer"),
            "norm must be one of none, batch, group, got 'layer'",
        ),
        (lambda: ResNet32((3, 32, 32), depth=30), "depth must be 6n [+] 2 .*, got 30"),
        (lambda: ResNet32((784,)), r"inputs must be \(channels, height, width\), got \(784,\)"),
        (lambda: SlimResNet18((3, 32, 32), width=-1), "width must be at least 1, got -1"),
        (lambda: Student((2,), hidden=5), "hidden must be even and at least 2, got 5"),
        (lambda: Student((2,), init_scale=0.0), "init_scale must be above 0, got 0.0"),
        (lambda: Torchvision((4, 32, 32)), r"got \(4, 32, 32\)"),
        (
            lambda: Torchvision((3, 32, 32), pretrained=True, weights="w.pt"),
            "pretrained and weights exclude each other",
        ),
        (
            lambda: Torchvision((3, 32, 32), architecture="resnet81"),
            "no classification network 'resnet81'; did you mean",
        ),
        (
            lambda: Torchvision((3, 8, 8), architecture="alexnet"),
            r"torchvision:alexnet cannot take .* \(3, 8, 8\): ",
        ),
        (
            lambda: Torchvision((3, 30, 30), architecture="vit_b_16"),
            r"cannot build torchvision:vit_b_16 .* \(3, 30, 30\)",
        ),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_every_model_and_stream_can_be_listed_and_cites_its_source():
    listed = Catalogue().plugins("models")
    assert set(listed) >= {
        "mlp",
        "small-cnn",
        "slim-resnet18",
        "resnet32",
        "student",
        "torchvision",
        "timm",
    }
    for plugin in (*listed.values(), *Catalogue().plugins("streams").values()):
        assert plugin.citation.startswith("@") and plugin.citation.count(
            "{"
        ) == plugin.citation.count("}"), plugin.name
        assert "Source:" in catalogue.load(plugin).__doc__, plugin.name
