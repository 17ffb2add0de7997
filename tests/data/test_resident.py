"""Data sets on a device give the mini-batches that they give on the host."""

import pytest
import torch

from nanocl.data.batches import MiniBatches, Preparation, TensorDataset
from nanocl.data.resident import Resident

KINDS = {
    "stored values": {},
    "augmented": {"augment": "crop-flip"},
    "padded": {"pad": 2},
    "permuted": {"order": torch.randperm(36, generator=torch.Generator().manual_seed(3))},
    "with gaps": {"order": torch.arange(36) - 1},
}


def images(count=30):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 6, 6), dtype=torch.uint8, generator=generator)


def parts(stored, **options):
    """Two experiences on one data set."""
    prepare = Preparation(scale=torch.full((3,), 0.5), shift=torch.ones(3), **options)
    halves = torch.arange(len(stored)).flip(0).split(len(stored) // 2)
    datasets = [
        TensorDataset(stored, rows, rows % 5, task_label=label, prepare=prepare, train=True)
        for label, rows in enumerate(halves)
    ]
    return [(dataset, torch.arange(len(dataset) - 1, 0, -1)) for dataset in datasets]


def drawn(made, count, **options):
    generator = torch.Generator().manual_seed(7)
    return list(MiniBatches(made[:count], 4, generator=generator, **options))


def same(some, others):
    pairs = zip(some, others, strict=True)
    return all(
        torch.equal(a.cpu(), b.cpu()) for one, two in pairs for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("iterations", [0, 9])
def test_a_copy_gives_the_mini_batches_of_the_original(options, count, iterations):
    made = parts(images(), **options)
    there = Resident("cpu", copies=True).parts(made)
    assert there[0][0].inputs is not made[0][0].inputs
    batches = drawn(there, count, iterations=iterations)
    assert same(batches, drawn(made, count, iterations=iterations))


@pytest.mark.gpu
@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("count", [1, 2])
def test_a_gpu_gives_the_mini_batches_of_the_cpu(options, count):
    made = parts(images(), **options)
    batches = drawn(Resident("cuda").parts(made), count)
    assert {batch[0].device.type for batch in batches} == {"cuda"}
    assert same(batches, drawn(made, count))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("count", [1, 2])
def test_inputs_and_targets_are_on_the_device_and_task_labels_on_the_host(options, count):
    made = parts(images(), **options)
    batches = drawn(Resident("meta").parts(made), count)
    for batch, here in zip(batches, drawn(made, count), strict=True):
        assert [one.device.type for one in batch] == ["meta", "meta", "cpu"]
        assert [(one.shape, one.dtype) for one in batch] == [(x.shape, x.dtype) for x in here]


def test_a_data_set_is_copied_once_as_it_is_stored():
    made = parts(images())
    resident = Resident("meta")
    (first, _), (second, _) = resident.parts(made)
    assert first.inputs is second.inputs is resident.parts(made)[0][0].inputs
    assert first.inputs.dtype == torch.uint8 and first.inputs.shape == made[0][0].inputs.shape


def test_nothing_is_copied_for_the_cpu():
    made = parts(images())
    assert Resident("cpu").parts(made) is made


def test_a_data_set_of_more_than_a_quarter_of_the_free_memory_stays_on_the_host():
    told = []
    stored = images()
    fits = Resident("meta", free=lambda: 4 * stored.nbytes, notify=told.append)
    assert fits.parts(parts(stored))[0][0].inputs.is_meta and not told
    full = Resident("meta", free=lambda: 4 * stored.nbytes - 1, notify=told.append)
    made = parts(stored)
    kept = full.parts(made)
    assert [dataset for dataset, _ in kept] == [dataset for dataset, _ in made]
    assert len(told) == 1 and "more than 25% of the 0 MiB that are free on meta" in told[0]


def test_data_sets_on_host_and_device_are_joined():
    small, large = parts(images(10), augment="crop-flip"), parts(images(30), augment="crop-flip")
    resident = Resident("meta", free=lambda: 4 * images(10).nbytes)
    joined = [small[0], large[0]]
    batches = drawn(resident.parts(joined), 2)
    assert {batch[0].device.type for batch in batches} == {"meta"}
    here = drawn(joined, 2)
    assert [one[0].shape for one in batches] == [one[0].shape for one in here]
