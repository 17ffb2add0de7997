"""The residual networks reach the published accuracy with public weights."""

import pytest
import torch
from backbones import seeded
from real_data import missing
from torch import nn
from torch.nn import functional

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.models._weights import read_state
from nanocl.models.resnet32 import ResNet32
from nanocl.streams.split import Split


@pytest.mark.parametrize(("depth", "published"), [(20, 0.9173), (32, 0.9263), (56, 0.9339)])
def test_resnet_with_the_public_weights_reaches_their_accuracy_on_cifar10(
    data_root, depth, published
):
    folder = data_root / "weights" / "cifar10_resnets"
    files = sorted(folder.glob(f"resnet{depth}-*.th"))
    if not files:
        missing(f"resnet{depth}-*.th in {folder}")
    stream = Split(data="cifar10", experiences=1, test_samples=40, normalise="imagenet")
    scenario = stream.build(scenario="class", seed=0, data_root=data_root)
    model = ResNet32(scenario.inputs, depth=depth, weights=str(files[0])).eval()
    output = {
        name.removeprefix("module."): value for name, value in read_state(str(files[0])).items()
    }
    right = 0
    with torch.no_grad():
        for inputs, targets, _ in MiniBatches(tensor_parts(scenario.test_stream[0].dataset), 100):
            scores = functional.linear(
                model(inputs), output["linear.weight"], output["linear.bias"]
            )
            right += (scores.argmax(1) == targets).sum().item()
    assert right / 400 == pytest.approx(published, abs=0.04)  # 3 standard errors of 400 images


def test_a_shortcut_between_groups_takes_every_second_pixel_and_adds_zeros_on_both_sides():
    model = seeded(lambda inputs: ResNet32(inputs, depth=8), (3, 8, 8)).eval()
    block = model.layer2[0]
    nn.init.zeros_(block.bn2.weight)  # the block then returns its shortcut
    values = torch.rand(2, 16, 8, 8)
    result = block(values)
    assert result.shape == (2, 32, 4, 4)
    assert torch.equal(result[:, 8:24], values[:, :, ::2, ::2])
    assert not result[:, :8].any() and not result[:, 24:].any()
