"""The check of models fails on a model that breaks one rule, and names the rule."""

import random

import pytest
import torch
from torch import nn

from nanocl.testing import NotConforming, check_model


class Picture(nn.Module):
    """One linear layer.

    Source: none.
    """

    def __init__(self, inputs: tuple[int, ...], *, width: int = 4) -> None:
        super().__init__()
        self.features = width
        self.layer = nn.Linear(inputs[0] * inputs[1] * inputs[2], width)

    def forward(self, images):
        return self.layer(images.flatten(1))


class Mixing(Picture):
    """Subtracts the mini-batch's mean.

    Source: none.
    """

    def forward(self, images):
        return super().forward(images - images.mean(0))


class Idle(Picture):
    """Has a layer that nothing uses.

    Source: none.
    """

    def __init__(self, inputs: tuple[int, ...]) -> None:
        super().__init__(inputs)
        self.idle = nn.Linear(2, 2)


class Wide(Picture):
    """Returns longer vectors than it declares.

    Source: none.
    """

    def forward(self, images):
        return super().forward(images).repeat(1, 2)


class Unseeded(Picture):
    """Has different initial weights each time.

    Source: none.
    """

    def __init__(self, inputs: tuple[int, ...]) -> None:
        super().__init__(inputs)
        nn.init.constant_(self.layer.weight, random.SystemRandom().random())


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Mixing, "the same output alone and in a mini-batch"),
        (Idle, "must get a gradient, idle.weight"),
        (Wide, r"must give the shape \(6, 4\), got \(6, 8\)"),
        (Unseeded, "must give the same weights"),
        (torch.optim.SGD, "must be a class derived from nn.Module"),
    ],
)
def test_a_broken_model_is_refused_with_the_rule_it_breaks(cls, said):
    with pytest.raises(NotConforming, match=said):
        check_model(cls)


def test_a_good_model_passes():
    check_model(Picture)
