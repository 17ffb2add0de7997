"""Samples prepared once are those prepared in each mini-batch, bit for bit."""

import pytest
import torch

from nanocl.data import prepared as module
from nanocl.data.batches import MiniBatches, Preparation, TensorDataset
from nanocl.data.prepared import prepared

PREPARE = Preparation(
    order=torch.randperm(16, generator=torch.Generator().manual_seed(1)),
    scale=torch.tensor([1 / 77.0]),
    shift=torch.tensor([-0.3]),
)


def dataset(*, prepare=PREPARE, lengths=None, **values):
    generator = torch.Generator().manual_seed(0)
    stored = torch.randint(0, 256, (50, 1, 4, 4), generator=generator).to(torch.uint8)
    rows = torch.arange(10, 40)
    options = {"task_label": 3, "train": True, "prepare": prepare, **values}
    return TensorDataset(stored, rows, rows % 5, lengths=lengths, **options)


def batches_of(parts):
    made = MiniBatches(parts, 8, generator=torch.Generator().manual_seed(2))
    return [values for _ in range(2) for batch in made for values in batch]


@pytest.mark.parametrize("lengths", [None, 1 + torch.arange(30) % 7])
@pytest.mark.parametrize("count", [1, 2])
def test_mini_batches_are_the_same(count, lengths):
    parts = [(dataset(lengths=lengths), torch.arange(3, 25))] * count
    made = prepared(parts)
    assert made[0][0] is not parts[0][0] and made[0][0].inputs.dtype == torch.float32
    pairs = zip(batches_of(made), batches_of(parts), strict=True)
    assert all(torch.equal(ours, plain) for ours, plain in pairs)


class Noisy(Preparation):
    """A preparation that differs from epoch to epoch."""

    def __call__(self, stored, generator=None):
        return stored + torch.rand(stored.shape)


@pytest.mark.parametrize(
    "prepare", [Preparation(augment="crop-flip"), Preparation(floats=False), Noisy()], ids=repr
)
def test_samples_that_are_drawn_anew_or_are_no_floats_stay_as_stored(prepare):
    parts = [(dataset(prepare=prepare), torch.arange(20))]
    assert prepared(parts)[0] is parts[0]


def test_test_data_are_not_augmented_so_that_they_can_be_prepared():
    tests = dataset(prepare=Preparation(augment="crop-flip"), train=False)
    assert prepared([(tests, torch.arange(20))])[0][0] is not tests


@pytest.mark.parametrize(("count", "is_prepared"), [(20, True), (21, False)])
def test_large_data_stay_as_stored(count, is_prepared, monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 20 * 16 * 4)
    parts = [(dataset(), torch.arange(count))]
    assert (prepared(parts)[0] is not parts[0]) == is_prepared
