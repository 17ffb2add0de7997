"""The memory of replay strategies: which samples it keeps, and how it prepares them."""

import io

import pytest
import torch
from avalanche.benchmarks.utils import AvalancheDataset
from torch.utils._python_dispatch import TorchDispatchMode

from nanocl.data.batches import Preparation, TensorDataset
from nanocl.strategies._memory import Memory


def an_experience(count, classes, start=0, **options):
    """The pixel of sample i is i, which identifies it."""
    stored = torch.arange(start, start + count, dtype=torch.float32).view(-1, 1, 1, 1)
    return TensorDataset(stored, torch.arange(count), torch.arange(count) % classes, **options)


def held(memory):
    return memory.inputs.flatten().long().tolist()


def test_a_balanced_memory_gives_every_class_of_every_experience_an_equal_share():
    memory = Memory(20)
    for number, (count, classes) in enumerate([(30, 2), (50, 3), (40, 1)]):
        memory.add(an_experience(count, classes, 1000 * number), seed=number)
        counts = memory.group.bincount().tolist()
        assert sum(counts) == 20 and max(counts) - min(counts) <= 1
    assert len(set(held(memory))) == 20
    assert all(
        target == (value % 1000) % (2, 3, 1)[value // 1000]
        for value, target in zip(held(memory), memory.targets.tolist(), strict=True)
    )


@pytest.mark.parametrize("selection", ["reservoir", "balanced"])
def test_both_data_sets_of_one_experience_keep_their_share(selection):
    rounds, kept = 200, torch.zeros(2)
    for seed in range(rounds):
        memory = Memory(40, selection=selection)
        parts = [an_experience(60, 1), an_experience(60, 1, 1000)]
        memory.add(AvalancheDataset(parts), seed=2 * seed)
        memory.add(an_experience(120, 1, 2000), seed=2 * seed + 1)
        values = torch.tensor(held(memory))
        kept += torch.tensor([(values < 1000).sum(), ((values >= 1000) & (values < 2000)).sum()])
    # about 10 of each, with a standard deviation of about 2 in a round
    assert ((kept / rounds - 10).abs() < 0.6).all(), kept / rounds


def test_a_memory_per_class_grows_with_the_stream():
    memory = Memory(5, per_class=True)
    for number in range(3):
        memory.add(an_experience(30, 2, 100 * number), seed=number)
        assert memory.group.bincount().tolist() == [5] * (2 * number + 2)


def test_a_class_smaller_than_its_share_is_kept_whole():
    memory = Memory(100)
    memory.add(an_experience(7, 2), seed=0)
    assert sorted(held(memory)) == list(range(7))


@pytest.mark.parametrize("selection", ["reservoir", "balanced"])
def test_every_sample_stays_with_the_same_probability(selection):
    rounds, kept = 600, torch.zeros(60)
    for seed in range(rounds):
        memory = Memory(12, selection=selection)
        for number in range(3):
            memory.add(an_experience(20, 2, 20 * number), seed=10 * seed + number)
        assert len(memory) == 12
        kept[held(memory)] += 1
    expected = rounds * 12 / 60
    # about chi-squared with 59 degrees of freedom
    statistic = ((kept - expected) ** 2 / (expected * 0.8)).sum()
    assert 30 < statistic < 100


def test_a_reservoir_fills_first_and_then_keeps_its_size():
    memory = Memory(15, selection="reservoir")
    sizes = []
    for number in range(4):
        memory.add(an_experience(6, 2, 6 * number), seed=number)
        sizes.append(len(memory))
    assert sizes == [6, 12, 15, 15] and len(set(held(memory))) == 15


def test_each_sample_is_prepared_as_its_experience_was():
    memory = Memory(8)
    doubled = Preparation(scale=torch.tensor([2.0]))
    shifted = Preparation(shift=torch.tensor([0.5]))
    for number, (classes, prepare) in enumerate([(2, doubled), (2, shifted), (1, doubled)]):
        options = {"prepare": prepare, "task_label": 3 + number, "train": True}
        memory.add(an_experience(4, classes, 10 * number, **options), number)
    inputs, targets, labels = memory.batch(torch.arange(len(memory)))
    assert len(memory.preparations) == 2
    samples = zip(inputs.flatten().tolist(), targets.tolist(), labels.tolist(), strict=True)
    for value, target, label in samples:
        stored = value - 0.5 if label == 4 else value / 2
        assert {3: 0, 4: 10, 5: 20}[label] <= stored < {3: 4, 4: 14, 5: 24}[label]
        assert target == (stored % 2 if label < 5 else 0)


@pytest.mark.parametrize("train", [True, False])
def test_only_training_samples_are_augmented_in_replay(train):
    images = torch.arange(64.0).view(1, 1, 8, 8).repeat(4, 1, 1, 1)
    targets, prepare = torch.zeros(4, dtype=torch.int64), Preparation(augment="crop-flip")
    memory = Memory(4)
    memory.add(
        TensorDataset(images, torch.arange(4), targets, train=train, prepare=prepare), seed=0
    )
    replayed = memory.batch(torch.arange(4), torch.Generator().manual_seed(0))[0]
    assert torch.equal(replayed, images) is not train


def test_a_memory_resumes_from_its_state_bit_for_bit():
    first = Memory(10, selection="reservoir")
    first.add(an_experience(20, 2), 0)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    second = Memory(10, selection="reservoir")
    second.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    for memory in (first, second):
        memory.add(an_experience(20, 2, 20), 1)
    assert held(first) == held(second)
    assert first.batch(torch.arange(3))[1].tolist() == second.targets[:3].tolist()


def test_data_that_is_not_in_tensors_is_refused_in_one_sentence():
    with pytest.raises(
        ValueError, match=r"replay needs a stream of nanocl.data.batches.TensorDataset, got list"
    ):
        Memory(3).add([1, 2, 3], 0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("blank", [0, 3])
def test_inputs_with_orders_of_their_own_are_prepared_at_once_as_one_by_one(channels, blank):
    draw = torch.Generator().manual_seed(0)
    stored = torch.randint(0, 256, (30, channels, 4, 4), dtype=torch.uint8, generator=draw)
    scale, shift = torch.full((channels,), 1 / 255), torch.full((channels,), -0.5)
    memory = Memory(25)
    for number in range(5):
        order = torch.randperm(36, generator=draw)[:36]
        order[:blank] = -1
        # the first experience keeps its pixels in their places
        prepare = Preparation(pad=1, order=order if number else None, scale=scale, shift=shift)
        dataset = TensorDataset(stored, torch.arange(30), torch.arange(30) % 2, prepare=prepare)
        memory.add(dataset, seed=number)
    index = torch.randperm(25, generator=draw)[:17]
    inputs, targets, _ = memory.batch(index)
    index = index[memory.source[index].sort(stable=True).indices]
    one_by_one = [
        Preparation(**memory.preparations[int(memory.source[row])])(memory.inputs[row][None])
        for row in index
    ]
    assert len(memory.preparations) == 5 and torch.equal(targets, memory.targets[index])
    assert torch.equal(inputs, torch.cat(one_by_one))


def test_inputs_with_orders_of_their_own_take_one_preparation(monkeypatch):
    memory = Memory(20)
    for number in range(4):
        prepare = Preparation(order=torch.tensor([number % 2 - 1]))
        memory.add(an_experience(20, 1, prepare=prepare), seed=number)
    prepared = []
    whole = Preparation.__call__
    monkeypatch.setattr(
        Preparation, "__call__", lambda *given: (prepared.append(1), whole(*given))[1]
    )
    memory.batch(torch.arange(20))
    assert len(memory.preparations) == 2 and prepared == [1]


def test_samples_are_on_the_device_and_what_is_known_about_them_on_the_host():
    memory = Memory(12)
    shift = torch.ones(1)
    for number in range(3):
        order = torch.tensor([-1 if number == 2 else 0])
        prepare = Preparation(order=order, shift=shift)
        memory.add(an_experience(8, 2, 100 * number, prepare=prepare), seed=number)
    here = memory.batch(torch.arange(12))
    memory.to("meta")
    batch = memory.batch(torch.arange(12))
    assert [one.device.type for one in batch] == ["meta", "meta", "cpu"]
    assert [(one.shape, one.dtype) for one in batch] == [(one.shape, one.dtype) for one in here]


def test_a_saved_memory_is_loaded_to_the_device_of_the_samples_it_replaces():
    memory = Memory(6)
    memory.add(an_experience(8, 2, prepare=Preparation(shift=torch.ones(1))), seed=0)
    state = memory.state_dict()
    memory.to("meta")
    assert not state["preparations"][0]["shift"].is_meta
    memory.load_state_dict(state)
    assert memory.inputs.is_meta and not memory.labels.is_meta


def test_a_draw_takes_as_many_operations_after_40_permutations_as_after_3():
    def operations(memory):
        with CountOperations() as counted:
            memory.batch(torch.arange(len(memory)))
        return counted.count

    draw = torch.Generator().manual_seed(0)
    memory = Memory(80)
    counts = []
    for number in range(40):
        order = torch.randperm(4, generator=draw) if number else None
        stored = torch.arange(80.0).view(20, 1, 2, 2)
        prepare = Preparation(order=order, scale=torch.ones(1))
        columns = stored, torch.arange(20), torch.zeros(20, dtype=torch.int64)
        memory.add(TensorDataset(*columns, prepare=prepare), seed=number)
        memory.batch(torch.arange(3))  # stacks the orders
        counts.append(operations(memory))
    assert len(memory.preparations) > 10 and counts[39] == counts[2]


class CountOperations(TorchDispatchMode):
    """Counts PyTorch's operations."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))
