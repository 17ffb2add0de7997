"""Data sets of torch become tensors with the same samples."""

import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from nanocl.data import batches
from nanocl.data.conversion import as_tensors
from nanocl.records import UserError

INPUTS = torch.arange(12, dtype=torch.float64).view(4, 3)
CLASSES = torch.tensor([1, 0, 1, 0], dtype=torch.int32)


class Listed(Dataset):
    """Samples from a list."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


@pytest.mark.parametrize(
    "dataset",
    [
        TensorDataset(INPUTS, CLASSES),
        Listed([(x, int(y)) for x, y in zip(INPUTS, CLASSES, strict=True)]),
        Listed([[x, y] for x, y in zip(INPUTS, CLASSES, strict=True)]),
    ],
)
def test_the_samples_stay_the_same(dataset):
    converted = as_tensors(dataset, 3)
    inputs, targets, labels = converted.batch(torch.tensor([0, 1, 2, 3]))
    assert torch.equal(inputs, INPUTS.float()) and torch.equal(targets, CLASSES.long())
    assert labels.tolist() == [3] * 4


def test_targets_of_regression_stay_vectors_and_our_own_data_set_stays():
    converted = as_tensors(TensorDataset(INPUTS, INPUTS[:, :2]), 0)
    assert torch.equal(converted.targets, INPUTS[:, :2].float())
    assert as_tensors(converted, 5) is converted
    assert isinstance(converted, batches.TensorDataset)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Listed([("a picture", 1)]), r"must be \(input tensor, target\), got \(str, int\); images"),
        (Listed([torch.zeros(3)]), "must be .input tensor, target., got"),
        (Listed([(torch.zeros(3), 0), (torch.zeros(4), 0)]), "must have one shape"),
        (Listed([(torch.zeros(3), "cat")]), "a number or vector each"),
        (Stream(), "must have __len__ and __getitem__, got Stream"),
    ],
)
def test_other_samples_are_refused_with_what_would_be_right(dataset, message):
    with pytest.raises(UserError, match=message):
        as_tensors(dataset, 0)
