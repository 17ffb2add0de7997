"""Whole mini-batches hold the same numbers as one sample at a time."""

from collections import Counter

import pytest
import torch
from avalanche.benchmarks.utils import AvalancheDataset, TransformGroups
from avalanche.training.storage_policy import ReservoirSamplingBuffer

from nanocl.data.batches import (
    MiniBatches,
    Preparation,
    TensorDataset,
    reorder,
    tensor_parts,
)
from nanocl.streams import make_scenario


def images(count=20, channels=3, side=6, seed=0):
    return torch.randint(
        0,
        256,
        (count, channels, side, side),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(seed),
    )


def dataset(rows=(3, 1, 4, 15, 9, 2, 6), label=0, stored=None, **options):
    rows = torch.tensor(rows)
    stored = images() if stored is None else stored
    return TensorDataset(stored, rows, rows % 5, task_label=label, **options)


def prepared(**options):
    return Preparation(
        scale=torch.tensor([0.5, 0.25, 2.0]), shift=torch.tensor([1.0, 0.0, -3.0]), **options
    )


def samples(batches):
    """Every sample of the mini-batches, as hashable values."""
    return [
        (tuple(x.flatten().tolist()), int(y), int(t))
        for batch in batches
        for x, y, t in zip(*batch, strict=True)
    ]


def one_by_one(avalanche_dataset):
    return [
        (tuple(x.flatten().tolist()), int(y), int(t))
        for x, y, t in map(avalanche_dataset.__getitem__, range(len(avalanche_dataset)))
    ]


def test_a_mini_batch_has_the_values_of_samples_read_one_at_a_time():
    data = dataset(prepare=prepared(pad=2, order=torch.randperm(100)), train=True, label=3)
    inputs, targets, labels = zip(*MiniBatches([(data, torch.arange(7))], 3), strict=True)
    assert [len(x) for x in inputs] == [3, 3, 1]
    assert torch.equal(torch.cat(inputs), torch.stack([data[i][0] for i in range(7)]))
    assert torch.cat(targets).tolist() == [data[i][1] for i in range(7)]
    assert torch.cat(labels).tolist() == [3] * 7


def test_preparation_agrees_with_a_loop_over_pixels():
    stored, order = (
        images(2, side=2),
        torch.tensor([-1, 5, 6, 15, 0, 9, 10, 10, 3, 5, 2, 1, 0, -1, 7, 8]),
    )
    result = prepared(pad=1, order=order)(stored)
    for n in range(2):
        for c, (scale, shift) in enumerate([(0.5, 1.0), (0.25, 0.0), (2.0, -3.0)]):
            for pixel in range(16):
                row, column = divmod(order[pixel].item(), 4)
                inside = order[pixel] >= 0 and 1 <= row <= 2 and 1 <= column <= 2
                value = stored[n, c, row - 1, column - 1].item() if inside else 0
                assert result[n, c].flatten()[pixel].item() == pytest.approx(value * scale + shift)


def test_preparation_leaves_stored_floats_untouched():
    stored = torch.rand(4, 3, 5, 5)
    before = stored.clone()
    for prepare in (
        prepared(),
        Preparation(shift=torch.ones(3)),
        prepared(pad=1),
        prepared(order=torch.randperm(25)),
    ):
        prepare(stored)
    assert torch.equal(stored, before)
    assert torch.equal(Preparation()(stored), stored)


def test_each_pixel_is_read_from_its_place_in_the_order():
    stored = images()
    order = torch.stack([torch.randperm(36) for _ in stored])
    for places in (order, order[0]):
        moved = reorder(stored, places, reads_zero=False).flatten(2)
        for image, result, place in zip(stored, moved, places.expand(len(stored), -1), strict=True):
            assert torch.equal(result, image.flatten(1)[:, place])


def test_only_training_data_is_augmented_and_only_with_a_generator():
    def read(train, generator):
        data = dataset(range(20), train=train, prepare=prepared(augment="crop-flip"))
        return data.batch(torch.arange(20), generator)[0]

    plain = read(True, None)
    assert torch.equal(plain, prepared()(images()))
    assert torch.equal(read(False, torch.Generator()), plain)
    assert not torch.equal(read(True, torch.Generator()), plain)


def test_an_epoch_has_every_sample_once_in_its_own_order():
    data = dataset(range(20))
    batches = MiniBatches([(data, torch.arange(20))], 6, generator=torch.Generator().manual_seed(0))
    first, second = samples(batches), samples(batches)
    assert len(batches) == 4
    assert (
        Counter(first)
        == Counter(second)
        == Counter(samples(MiniBatches([(data, torch.arange(20))], 20)))
    )
    assert first != second


@pytest.mark.parametrize(
    ("batch_size", "iterations"), [(6, 1), (6, 3), (6, 17), (20, 4), (50, 3), (1, 45)]
)
def test_iterations_give_exactly_that_number_of_full_mini_batches(batch_size, iterations):
    batches = MiniBatches(
        [(dataset(range(20)), torch.arange(20))],
        batch_size,
        generator=torch.Generator(),
        iterations=iterations,
    )
    sizes = [len(targets) for _, targets, _ in batches]
    assert len(batches) == iterations
    assert sizes == [min(batch_size, 20)] * iterations


def test_iterations_reshuffle_without_repeating_a_sample_within_a_pass():
    batches = MiniBatches(
        [(dataset(range(20)), torch.arange(20))], 5, generator=torch.Generator(), iterations=8
    )
    handed_out = samples(batches)
    assert set(Counter(handed_out[:20]).values()) == set(Counter(handed_out[20:]).values()) == {1}
    assert handed_out[:20] != handed_out[20:]


def test_one_seed_gives_one_order():
    def read(seed):
        return samples(
            MiniBatches(
                [(dataset(range(20)), torch.arange(20))],
                6,
                generator=torch.Generator().manual_seed(seed),
            )
        )

    assert read(5) == read(5) != read(6)


def experiences():
    """Three experiences of an Avalanche stream on one data set, each with its own preparation."""
    stored = images(30)
    parts = [
        dataset(range(10 * i, 10 * i + 10), i, stored, prepare=prepared(pad=i)) for i in range(1)
    ]
    parts += [
        dataset(
            range(10 * i, 10 * i + 10),
            i,
            stored,
            prepare=Preparation(shift=torch.full((3,), float(i))),
        )
        for i in (1, 2)
    ]
    scenario = make_scenario(kind="task", train=parts, test=parts, inputs=(3, 6, 6), outputs=5)
    return [experience.dataset for experience in scenario.train_stream]


def reservoir(datasets):
    buffer = ReservoirSamplingBuffer(max_size=9)
    for data in datasets:
        buffer.update_from_dataset(data)
    return buffer.buffer


COMBINATIONS = {
    "one experience": lambda a, b, c: a,
    "a subset": lambda a, b, c: a.subset([5, 2, 7]),
    "a subset with repeats": lambda a, b, c: a.subset([5, 5, 2]),
    "a concatenation": lambda a, b, c: a.concat(b),
    "a subset of a concatenation": lambda a, b, c: (
        a.concat(b).concat(c).subset([25, 3, 14, 0, 29, 11])
    ),
    "a concatenation of subsets": lambda a, b, c: (
        a.subset([1, 3]).concat(c.subset([0, 9])).concat(b)
    ),
    "subsets of subsets": lambda a, b, c: (
        a.concat(b).subset([18, 3, 12, 4]).subset([2, 0]).concat(c.subset([4]))
    ),
    "a reservoir": lambda a, b, c: reservoir([a, b, c]),
    "an experience and a reservoir": lambda a, b, c: c.concat(reservoir([a, b])),
    "in evaluation": lambda a, b, c: a.concat(b).eval(),
}


@pytest.mark.parametrize("combine", COMBINATIONS.values(), ids=COMBINATIONS)
def test_tensor_parts_hold_the_samples_avalanche_would_read(combine):
    combined = combine(*experiences())
    parts = tensor_parts(combined)
    assert parts is not None
    for generator in (None, torch.Generator()):
        batches = MiniBatches(parts, 4, generator=generator)
        assert batches.samples == len(combined)
        assert Counter(samples(batches)) == Counter(one_by_one(combined))


def test_parts_of_one_kind_are_read_in_order():
    first, second, _ = experiences()
    combined = second.subset([3, 1, 2]).concat(second)
    assert samples(MiniBatches(tensor_parts(combined), 5)) == one_by_one(combined)
    assert samples(MiniBatches(tensor_parts(first), 3)) == one_by_one(first)


def test_data_that_is_not_in_tensors_is_left_to_avalanche():
    data = dataset()
    doubled = TransformGroups({"train": (lambda x: 2 * x, None), "eval": (None, None)})
    assert tensor_parts(AvalancheDataset([data])) is not None
    assert tensor_parts(AvalancheDataset([data], transform_groups=doubled)) is None
    assert tensor_parts(AvalancheDataset([data], frozen_transform_groups=doubled)) is None
    assert tensor_parts(AvalancheDataset([torch.utils.data.TensorDataset(torch.ones(3))])) is None
    assert tensor_parts([1, 2, 3]) is None


def test_a_transformation_hidden_in_a_concatenation_or_subset_is_left_to_avalanche():
    plain = AvalancheDataset([dataset()])
    doubled = AvalancheDataset(
        [dataset()],
        transform_groups=TransformGroups({"train": (lambda x: 2 * x, None), "eval": (None, None)}),
    )
    for combined in (
        plain.concat(doubled),
        doubled.subset([1, 2]),
        plain.concat(doubled.subset([0])).subset([7, 1]),
    ):
        values = [combined[i][0] for i in range(len(combined))]
        parts = tensor_parts(combined)
        assert parts is None or torch.equal(
            torch.cat([x for x, _, _ in MiniBatches(parts, 3)]), torch.stack(values)
        )
    assert torch.equal(plain.concat(doubled)[7][0], 2 * plain[0][0])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="one length, got 7 and 2"):
        TensorDataset(images(), torch.arange(7), torch.arange(2))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        MiniBatches([(dataset(), torch.arange(7))], 0)
    with pytest.raises(ValueError, match="5 mini-batches need at least 1 sample, got 0"):
        MiniBatches([], 4, iterations=5)
