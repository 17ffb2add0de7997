"""Mini-batches of similar lengths hold every sample once, in an order decided by the seed."""

from itertools import chain

import pytest
import torch

from nanocl.data.batches import MiniBatches, TensorDataset
from nanocl.data.buckets import bucketed


def lengths_of(count, seed=0):
    return torch.randint(3, 60, (count,), generator=torch.Generator().manual_seed(seed))


def order_of(count, size, seed=1):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)
    return order, bucketed(order, lengths_of(count), size, generator)


@pytest.mark.parametrize(("count", "size"), [(1000, 8), (1003, 8), (64, 64), (5, 8), (8, 8)])
def test_every_sample_comes_once_and_the_rest_stays_random(count, size):
    order, made = order_of(count, size)
    assert sorted(made.tolist()) == list(range(count))
    rest = count % size
    assert made[count - rest :].tolist() == order[count - rest :].tolist()


def test_little_of_a_mini_batch_is_padding():
    """Of a random mini-batch of 8 lengths from 3 to 59, about half of the cells are padding."""
    lengths = lengths_of(1000)
    shares = []
    for made in order_of(1000, 8):
        rows = lengths[made].view(-1, 8)
        shares.append(1 - lengths.sum().item() / (rows.max(1).values.sum().item() * 8))
    assert shares[0] > 0.35 and shares[1] < 0.05


def test_mini_batches_of_any_length_come_at_any_time():
    first = [order_of(1000, 8, seed)[1][:8] for seed in range(40)]
    means = torch.stack([lengths_of(1000)[rows].float().mean() for rows in first])
    assert means.min() < 15 and means.max() > 48


def dataset(count, *, bucket, label=0):
    stored = torch.arange(count * 4, dtype=torch.int32).view(count, 4)
    rows = torch.arange(count)
    lengths = lengths_of(count) if bucket else None
    return TensorDataset(stored, rows, rows, task_label=label, lengths=lengths)


def targets(batches):
    """The target of each sample, a list for each mini-batch."""
    return [target.tolist() for _, target, _ in batches]


def test_an_epoch_and_its_repetition_depend_on_the_seed_only():
    def epochs():
        generator = torch.Generator().manual_seed(3)
        batches = MiniBatches(
            [(dataset(100, bucket=True), torch.arange(100))], 8, generator=generator
        )
        return targets(batches), targets(batches)

    first, second = epochs()
    assert (first, second) == epochs() and first != second
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(100))


def test_iterations_are_full_and_leave_no_length_out():
    batches = MiniBatches(
        [(dataset(100, bucket=True), torch.arange(100))],
        8,
        generator=torch.Generator().manual_seed(3),
        iterations=400,
    )
    drawn = targets(batches)
    assert len(drawn) == 400 and {len(batch) for batch in drawn} == {8}
    counts = torch.tensor([*chain(*drawn)]).bincount(minlength=100)
    assert counts.min() > 20 and counts.max() < 45  # 32 each on average


def test_evaluation_keeps_the_order_of_the_data():
    parts = [(dataset(30, bucket=True, label=label), torch.arange(30)) for label in (0, 1)]
    (rows,) = targets(MiniBatches(parts, 60))
    assert rows == [*range(30), *range(30)]


def test_data_without_lengths_keep_their_order():
    mixed = [(dataset(20, bucket=flag), torch.arange(20)) for flag in (True, False)]
    (rows,) = targets(MiniBatches(mixed, 40))
    assert rows == [*range(20), *range(20)]
