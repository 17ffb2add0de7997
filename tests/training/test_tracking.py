"""Tests within experiences: what they measure, and that they change nothing."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from nanocl.strategies.er import ER
from nanocl.strategies.ewc import EWC
from nanocl.strategies.pytorch_optimizer import PytorchOptimizer
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream
from nanocl.training.measure import Meter
from nanocl.training.tracking import Tracker

BATCH = 5  # 24 samples an experience: the last mini-batch of an epoch has 4


def tracked(stream, strategies, every=2, epochs=2):
    learner = small_learner(stream, strategies, epochs=epochs, batch_size=BATCH)
    learner.tracker = Tracker(every, Meter()) if every else None
    return learner, run(learner, stream)


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize(
    "strategies",
    [
        lambda: [SGD(lr=0.1)],
        lambda: [ER(memory_size=6)],
        lambda: [EWC()],
        lambda: [PytorchOptimizer(optimizer="SAM")],
    ],
    ids=["sgd", "er", "ewc", "sam"],
)
def test_tracking_changes_no_weight_and_no_result(scenario, strategies):
    plain, without = tracked(small_stream(scenario), strategies(), every=0)
    learner, outcome = tracked(small_stream(scenario), strategies())
    assert (outcome.evaluation, outcome.masked) == (without.evaluation, without.masked)
    for a, b in zip(plain.model.parameters(), learner.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_point_holds_what_a_plain_loop_measures():
    """The same steps written out in PyTorch, tested after every second one."""
    stream = small_stream("domain")
    learner, _ = tracked(stream, [SGD(lr=0.1)])
    plain = small_learner(stream, [SGD(lr=0.1)]).model
    plain.load_state_dict(_initial(stream))
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    expected = []
    for number, experience in enumerate(stream.train_stream):
        inputs, targets = _data(experience)
        order = torch.Generator().manual_seed(number)
        hits, samples, step = 0, 0, 0
        for _ in range(2):
            for rows in torch.randperm(len(inputs), generator=order).split(BATCH):
                plain.train()
                scores = plain(inputs[rows])
                hits += int((scores.argmax(1) == targets[rows]).sum())
                samples += len(rows)
                optimizer.zero_grad()
                functional.cross_entropy(scores, targets[rows]).backward()
                optimizer.step()
                step += 1
                if step % 2 == 0:
                    row = [_accuracy(plain, test) for test in stream.test_stream[: number + 1]]
                    expected.append((number, step, samples, hits / samples, row))
                    hits = samples = 0
    points = [tuple(point.values()) for point in learner.tracker.points]
    assert points == expected


def test_the_end_of_an_experience_is_a_point_too():
    learner, outcome = tracked(small_stream("domain"), [SGD(lr=0.1)], every=4)
    points = learner.tracker.points
    assert [(p["experience"], p["iteration"]) for p in points] == [
        (experience, iteration) for experience in range(3) for iteration in (4, 8, 10)
    ]
    last = {p["experience"]: p["row"] for p in points}
    assert all(last[i] == outcome.evaluation[i][: i + 1] for i in range(3))


def test_replayed_samples_are_not_counted_as_new_ones():
    learner, _ = tracked(small_stream("class"), [ER(memory_size=6, replay_batch_size=7)])
    counts = [p["samples"] for p in learner.tracker.points]
    # two mini-batches of 5, then of 5 and 5, then the last 4 and the first 5 of the next epoch
    assert sum(counts) == 3 * 2 * 24 and counts[:5] == [10, 10, 9, 10, 9]


@pytest.mark.parametrize(("batch_size", "new"), [(10, 10), (32, 24)])
def test_in_a_fixed_number_of_mini_batches_each_counts_its_new_samples(batch_size, new):
    """24 samples an experience: an epoch is no whole number of mini-batches, or less than one."""
    stream = small_stream("class")
    learner = small_learner(stream, [ER(memory_size=40)], epochs=1, batch_size=batch_size)
    learner.training = replace(learner.training, iterations=4)
    learner.tracker = Tracker(1, Meter())
    run(learner, stream)
    assert [p["samples"] for p in learner.tracker.points] == [new] * 3 * 4


def test_a_closure_that_repeats_the_pass_counts_each_sample_once():
    learner, _ = tracked(small_stream("domain"), [PytorchOptimizer(optimizer="SAM")])
    assert sum(p["samples"] for p in learner.tracker.points) == 3 * 2 * 24


def test_losses_are_tracked_as_mean_squared_errors():
    learner, outcome = tracked(small_stream("domain", measure="loss"), [SGD(lr=0.01)], every=10)
    points = learner.tracker.points
    assert [p["row"][-1] for p in points] == [row[i] for i, row in enumerate(outcome.evaluation)]
    assert all(p["online"] > 0 for p in points)


def _initial(stream):
    return small_learner(stream, [SGD(lr=0.1)]).model.state_dict()


def _data(experience):
    samples = list(experience.dataset)
    return torch.stack([s[0] for s in samples]), torch.tensor([s[1] for s in samples])


def _accuracy(model, experience):
    model.eval()
    inputs, targets = _data(experience)
    with torch.no_grad():
        return float((model(inputs).argmax(1) == targets).double().mean())
