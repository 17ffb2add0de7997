"""Replay: what the memory holds, what joins a mini-batch, how the loss weighs it."""

import io

import pytest
import torch
from torch import nn

from nanocl.data.batches import Preparation, TensorDataset
from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue
from nanocl.strategies import Strategy
from nanocl.strategies._memory import Memory
from nanocl.strategies.er import ER
from nanocl.strategies.sgd import SGD
from nanocl.streams.split import Split
from nanocl.testing import run, small_learner, small_stream


class Watch(Strategy):
    """Record every mini-batch that reaches the model, and its loss."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def before_forward(self, strategy, **kwargs):
        self.batches.append([value.clone() for value in strategy.mbatch])

    def after_backward(self, strategy, **kwargs):
        self.batches[-1] += [strategy.mb_output.detach(), strategy.loss.item()]


def an_experience(count, classes, start=0, **options):
    """Sample i has i in its pixel, so that samples can be recognised."""
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
def test_every_sample_has_the_same_chance_to_stay(selection):
    rounds, kept = 600, torch.zeros(60)
    for seed in range(rounds):
        memory = Memory(12, selection=selection)
        for number in range(3):
            memory.add(an_experience(20, 2, 20 * number), seed=10 * seed + number)
        assert len(memory) == 12
        kept[held(memory)] += 1
    expected = rounds * 12 / 60
    statistic = (
        (kept - expected) ** 2 / (expected * 0.8)
    ).sum()  # about chi-squared with 59 degrees of freedom
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
    memory.add(
        an_experience(
            4, 2, prepare=Preparation(scale=torch.tensor([2.0])), task_label=3, train=True
        ),
        0,
    )
    memory.add(
        an_experience(
            4, 2, 10, prepare=Preparation(shift=torch.tensor([0.5])), task_label=4, train=True
        ),
        1,
    )
    memory.add(
        an_experience(
            4, 1, 20, prepare=Preparation(scale=torch.tensor([2.0])), task_label=5, train=True
        ),
        2,
    )
    inputs, targets, labels = memory.batch(torch.arange(len(memory)))
    assert len(memory.preparations) == 2
    for value, target, label in zip(
        inputs.flatten().tolist(), targets.tolist(), labels.tolist(), strict=True
    ):
        stored = value - 0.5 if label == 4 else value / 2
        assert {3: 0, 4: 10, 5: 20}[label] <= stored < {3: 4, 4: 14, 5: 24}[label]
        assert target == (stored % 2 if label < 5 else 0)


def test_only_training_samples_are_augmented_in_replay():
    images = torch.arange(64.0).view(1, 1, 8, 8).repeat(4, 1, 1, 1)
    for train, changed in ((True, True), (False, False)):
        memory = Memory(4)
        memory.add(
            TensorDataset(
                images,
                torch.arange(4),
                torch.zeros(4, dtype=torch.int64),
                train=train,
                prepare=Preparation(augment="crop-flip"),
            ),
            0,
        )
        replayed = memory.batch(torch.arange(4), torch.Generator().manual_seed(0))[0]
        assert torch.equal(replayed, images) != changed


def test_a_memory_goes_on_from_its_state_bit_for_bit():
    first = Memory(10, selection="reservoir")
    first.add(an_experience(20, 2), 0)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    second = Memory(10, selection="reservoir")
    second.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    for memory in (first, second):
        memory.add(an_experience(20, 2, 20), 1)
    assert (
        held(first) == held(second)
        and first.batch(torch.arange(3))[1].tolist() == second.targets[:3].tolist()
    )


def test_data_that_is_not_in_tensors_is_refused_in_one_sentence():
    with pytest.raises(
        ValueError, match=r"replay needs a stream of nanocl.data.batches.TensorDataset, got list"
    ):
        Memory(3).add([1, 2, 3], 0)


def test_only_samples_of_past_experiences_are_replayed():
    scenario, watch, er = small_stream(), Watch(), ER(memory_size=10, replay_batch_size=4)
    learner = small_learner(scenario, [er, watch])
    for number, experience in enumerate(scenario.train_stream):
        watch.batches = []
        learner.train(experience, eval_streams=[])
        for _, targets, labels, *_ in watch.batches:
            assert (labels[:8] == number).all() and (targets[:8] // 2 == number).all()
            assert len(labels) == (8 if number == 0 else 12) and (labels[8:] < number).all()


def test_the_new_samples_come_in_the_order_they_have_without_replay():
    scenario = small_stream()
    orders = []
    for strategies in ([], [ER(memory_size=10)]):
        watch = Watch()
        learner = small_learner(scenario, [*strategies, watch])
        run(learner, scenario)
        orders.append([batch[0][:8] for batch in watch.batches])
    assert all(torch.equal(a, b) for a, b in zip(*orders, strict=True))


def test_a_replay_pass_shows_every_stored_sample_before_any_comes_again():
    scenario, watch = small_stream(samples=16), Watch()
    learner = small_learner(scenario, [ER(memory_size=12, replay_batch_size=4), watch], epochs=1)
    learner.train(scenario.train_stream[0], eval_streams=[])
    watch.batches = []
    learner.train(scenario.train_stream[1], eval_streams=[])
    replayed = torch.cat([batch[0][8:] for batch in watch.batches[:3]]).flatten(1)
    assert len(replayed.unique(dim=0)) == 12


@pytest.mark.parametrize("balance", ["mean", "experience"])
def test_the_loss_weighs_new_and_replayed_samples_as_balance_says(balance):
    scenario, watch = small_stream(), Watch()
    er = ER(memory_size=10, replay_batch_size=5, balance=balance)
    learner = small_learner(scenario, [er, watch])
    for number, experience in enumerate(scenario.train_stream):
        watch.batches = []
        learner.train(experience, eval_streams=[])
        for _, targets, _, output, loss in watch.batches:
            new = nn.functional.cross_entropy(output[:8], targets[:8])
            share = 1 / (number + 1) if balance == "experience" else 8 / len(targets)
            old = (
                nn.functional.cross_entropy(output[8:], targets[8:]) if number else torch.zeros(())
            )
            assert loss == pytest.approx(
                (share * new + (1 - share) * old).item() if number else new.item(), rel=1e-5
            )


def test_the_weighted_loss_has_the_weighted_gradient():
    scenario, actual = small_stream(), []

    class Gradients(Strategy):
        def after_backward(self, strategy, **kwargs):
            actual.append(
                (
                    strategy.mbatch,
                    {n: v.clone() for n, v in strategy.model.state_dict().items()},
                    strategy.model.head.weight.grad.clone(),
                )
            )

    er = ER(memory_size=10, balance="experience")
    learner = small_learner(scenario, [er, Gradients(), SGD()], backbone=plain())
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    (inputs, targets, labels), state, gradient = actual[-1]
    model = small_learner(scenario, backbone=plain()).model
    model.load_state_dict(state)
    output = model(inputs, labels)
    loss = nn.functional.cross_entropy(
        output[:8], targets[:8]
    ) / 3 + 2 / 3 * nn.functional.cross_entropy(output[8:], targets[8:])
    torch.testing.assert_close(torch.autograd.grad(loss, model.head.weight)[0], gradient)


def test_replay_works_for_regression():
    scenario = small_stream("domain", measure="loss")
    outcome = run(
        small_learner(scenario, [ER(memory_size=12, balance="experience")], epochs=10), scenario
    )
    naive = run(small_learner(scenario, epochs=10), scenario)
    assert outcome.evaluation[2][0] < naive.evaluation[2][0]


def test_replay_beats_naive_training_on_real_digits(data_root):
    stream = Split(data="mnist", samples=600, test_samples=300)
    scenario = stream.build(scenario="class", seed=0, data_root=data_root)
    model = catalogue.load(Catalogue().plugin("models", "mlp"))
    final = [
        sum(
            run(
                small_learner(
                    scenario,
                    strategies,
                    backbone=model(scenario.inputs, width=100),
                    batch_size=32,
                    epochs=3,
                ),
                scenario,
            ).evaluation[-1]
        )
        / 5
        for strategies in ([], [ER(memory_size=200)])
    ]
    assert final[0] < 0.25 and final[1] > 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_size": 0}, r"memory_size must be at least 1, got 0"),
        ({"selection": "herding"}, "selection must be one of balanced, reservoir, got 'herding'"),
        (
            {"per_class": True, "selection": "reservoir"},
            "selection must be balanced with per_class=True",
        ),
        ({"replay_batch_size": -1}, "replay_batch_size must be at least 0, got -1"),
        ({"balance": "half"}, "balance must be one of mean, experience, got 'half'"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        ER(**options)


def plain():
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU())
    backbone.features = 12
    return backbone
