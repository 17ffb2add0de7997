"""ResNet-18 with fewer channels."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from nanocl.models._weights import load_weights


class SlimResNet18(nn.Module):
    """ResNet-18 for small images; its four groups have 1, 2, 4 and 8 times `width` channels.

    The first layer is a 3x3 convolution without pooling, and the last step is the mean of each
    channel. Width 64 is the usual ResNet-18 for CIFAR. The mean is over the whole map; the authors'
    code takes 4x4 pixels, the size of the map for 32x32 images.

    Args:
        inputs: (channels, height, width).
        width: Channels of the first group, at least 1.
        weights: File with a state dict to start from.

    Source: Lopez-Paz and Ranzato, 2017, arXiv:1706.08840, section 5 ("a smaller version of ResNet18
        with three times less feature maps across all layers").
    """

    citation: ClassVar[str] = """@inproceedings{lopezpaz2017gradient,
  title = {Gradient Episodic Memory for Continual Learning},
  author = {Lopez-Paz, David and Ranzato, Marc'Aurelio},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {30},
  year = {2017},
  eprint = {1706.08840},
  archiveprefix = {arXiv}
}"""
    version: ClassVar[int] = 1

    def __init__(self, inputs: tuple[int, ...], *, width: int = 20, weights: str = "") -> None:
        super().__init__()
        if len(inputs) != 3:
            raise ValueError(f"inputs must be (channels, height, width), got {tuple(inputs)}")
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.conv1 = nn.Conv2d(inputs[0], width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _group(width, width, stride=1)
        self.layer2 = _group(width, 2 * width, stride=2)
        self.layer3 = _group(2 * width, 4 * width, stride=2)
        self.layer4 = _group(4 * width, 8 * width, stride=2)
        self.features = 8 * width
        load_weights(self, weights)

    def forward(self, inputs: Tensor) -> Tensor:
        values = functional.relu(self.bn1(self.conv1(inputs)))
        for group in (self.layer1, self.layer2, self.layer3, self.layer4):
            values = group(values)
        return values.mean((2, 3))


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False),
                nn.BatchNorm2d(after),
            )

    def forward(self, values: Tensor) -> Tensor:
        hidden = functional.relu(self.bn1(self.conv1(values)))
        change = self.bn2(self.conv2(hidden))
        return functional.relu(change + self.shortcut(values))


def _group(before: int, after: int, *, stride: int) -> nn.Sequential:
    first = _Block(before, after, stride)
    second = _Block(after, after, 1)
    return nn.Sequential(first, second)
