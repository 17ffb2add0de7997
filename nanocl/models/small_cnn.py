"""A small convolutional network for training on a CPU."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from nanocl.models._weights import load_weights
from nanocl.records.ranges import one_of

NORMS = ("none", "batch", "group")


class SmallCNN(nn.Module):
    """Three blocks of 3x3 convolution, 2x2 max pooling and ReLU; the last one is twice as wide.

    Args:
        inputs: (channels, height, width); height and width at least 8.
        width: Channels of the first two blocks, at least 1; a multiple of 8 if `norm` is `group`.
        norm: `none`, or `batch` or `group` (8 groups) normalisation after each convolution.
        weights: File with a state dict to start from.

    Source: our own network, with the layers of Simonyan and Zisserman, 2015, arXiv:1409.1556,
        section 2.1 (3x3 convolutions and 2x2 max pooling).
    """

    citation: ClassVar[str] = """@inproceedings{simonyan2015very,
  title = {Very Deep Convolutional Networks for Large-Scale Image Recognition},
  author = {Simonyan, Karen and Zisserman, Andrew},
  booktitle = {International Conference on Learning Representations},
  year = {2015},
  eprint = {1409.1556},
  archiveprefix = {arXiv}
}"""
    version: ClassVar[int] = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        *,
        width: int = 32,
        norm: str = "none",
        weights: str = "",
    ) -> None:
        super().__init__()
        if len(inputs) != 3 or min(inputs[1:]) < 8:
            raise ValueError(
                "inputs must be (channels, height, width) with sides of at least 8, "
                f"got {tuple(inputs)}"
            )
        one_of("norm", norm, NORMS)
        if width < 1 or (norm == "group" and width % 8):
            expected = "a multiple of 8" if norm == "group" else "at least 1"
            raise ValueError(f"width must be {expected}, got {width}")
        channels, height, length = inputs
        widths = (channels, width, width, 2 * width)
        self.blocks = nn.Sequential(
            *(_block(before, after, norm) for before, after in pairwise(widths))
        )
        self.features = 2 * width * (height // 8) * (length // 8)
        load_weights(self, weights)

    def forward(self, inputs: Tensor) -> Tensor:
        # twice as fast as the default layout on a CPU; the weights keep the default layout, because
        # optimizers may flatten them
        return self.blocks(inputs.contiguous(memory_format=torch.channels_last)).flatten(1)


def _block(before: int, after: int, norm: str) -> nn.Sequential:
    layers: dict[str, nn.Module] = {
        "convolution": nn.Conv2d(before, after, 3, padding=1, bias=norm == "none")
    }
    if norm != "none":
        layers["norm"] = nn.BatchNorm2d(after) if norm == "batch" else nn.GroupNorm(8, after)
    # the maximum and ReLU commute: pooling first leaves ReLU a quarter of the work
    return nn.Sequential(OrderedDict(layers, pool=nn.MaxPool2d(2), relu=nn.ReLU(inplace=True)))
