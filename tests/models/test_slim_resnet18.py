"""The slim ResNet-18 agrees with torchvision's ResNet-18."""

import torch
from backbones import seeded
from torch import nn
from torchvision import models

from nanocl.models.slim_resnet18 import SlimResNet18


def test_slim_resnet18_is_torchvisions_with_a_small_first_layer():
    ours = seeded(lambda inputs: SlimResNet18(inputs, width=64), (3, 32, 32))
    theirs = models.ResNet(models.resnet.BasicBlock, [2, 2, 2, 2])
    theirs.conv1, theirs.maxpool, theirs.fc = (
        nn.Conv2d(3, 64, 3, 1, 1, bias=False),
        nn.Identity(),
        nn.Identity(),
    )
    theirs.load_state_dict(
        {name.replace("shortcut", "downsample"): value for name, value in ours.state_dict().items()}
    )
    inputs = torch.rand(2, 3, 32, 32)
    assert torch.allclose(ours(inputs), theirs(inputs), atol=1e-5)
    assert torch.allclose(ours.eval()(inputs), theirs.eval()(inputs), atol=1e-5)
