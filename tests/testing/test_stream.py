"""The check of streams fails on a stream that breaks one rule, and names the rule."""

import random
from pathlib import Path

import pytest
import torch
from avalanche.benchmarks.utils import AvalancheDataset
from torch import nn

from nanocl.data.batches import TensorDataset
from nanocl.streams import Stream, make_scenario
from nanocl.testing import NotConforming, check_stream


class Pictures(Stream):
    """Two experiences of noise.

    Source: none.
    """

    scenarios = ("class",)

    def build(self, *, scenario: str, seed: int, data_root: Path | None):
        stored = torch.rand(40, 1, 2, 2, generator=torch.Generator().manual_seed(seed))
        return self.join(
            stored,
            [self.part(stored, i, 20 * i, 20 * i + 10) for i in range(2)],
            [self.part(stored, i, 20 * i + 10, 20 * i + 20) for i in range(2)],
        )

    def part(self, stored, experience, first, last):
        rows = torch.arange(first, last)
        return TensorDataset(stored, rows, 2 * experience + rows % 2, task_label=experience)

    def join(self, stored, train, test):
        return make_scenario(kind="class", train=train, test=test, inputs=(1, 2, 2), outputs=4)


class Leaking(Pictures):
    """Has the same samples for training and testing.

    Source: none.
    """

    def join(self, stored, train, test):
        return super().join(stored, train, train)


class Drawing(Pictures):
    """Draws from the global generator.

    Source: none.
    """

    def part(self, stored, experience, first, last):
        torch.rand(1)
        return super().part(stored, experience, first, last)


class Changing(Pictures):
    """Returns different data at each call.

    Source: none.
    """

    def part(self, stored, experience, first, last):
        stored.add_(random.SystemRandom().random())
        return super().part(stored, experience, first, last)


class Overlapping(Pictures):
    """Class-incremental with shared classes.

    Source: none.
    """

    def part(self, stored, experience, first, last):
        return super().part(stored, 0, first, last)


class PlainDataset(torch.utils.data.Dataset):
    """One sample of one class, in a data set of another kind."""

    def __init__(self, experience):
        self.task_label, self.targets = experience, torch.tensor([2 * experience])

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return torch.zeros(1, 2, 2), int(self.targets[index])


class Foreign(Pictures):
    """Puts data that are not in tensors into a made scenario.

    Source: none.
    """

    def build(self, **values):
        scenario = super().build(**values)
        scenario.train_stream[0]._dataset = AvalancheDataset([PlainDataset(0)])
        return scenario


class Misshapen(Pictures):
    """Declares a shape that its samples do not have.

    Source: none.
    """

    def join(self, stored, train, test):
        return make_scenario(kind="class", train=train, test=test, inputs=(1, 4, 4), outputs=4)


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Leaking, "is tested on samples it is trained on"),
        (Drawing, "global generator of torch must not be used"),
        (Changing, "one seed must give the same data twice"),
        (Overlapping, "must not share classes"),
        (Foreign, "the data of experience 0 must be a nanocl.data.batches.TensorDataset"),
        (Misshapen, r"must have the shape \(1, 4, 4\)"),
        (nn.Linear, "must be a class derived from Stream"),
    ],
)
def test_a_broken_stream_is_refused_with_the_rule_it_breaks(cls, said):
    with pytest.raises(NotConforming, match=said):
        check_stream(cls)


def test_a_good_stream_passes():
    check_stream(Pictures)
