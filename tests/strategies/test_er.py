"""Experience replay: the samples added to a mini-batch, and their weight in the loss."""

import pytest
import torch
from torch import nn

from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue
from nanocl.strategies import Strategy
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
            expected = nn.functional.cross_entropy(output[:8], targets[:8])
            if number:
                share = 1 / (number + 1) if balance == "experience" else 8 / len(targets)
                old = nn.functional.cross_entropy(output[8:], targets[8:])
                expected = share * expected + (1 - share) * old
            assert loss == pytest.approx(expected.item(), rel=1e-5)


def test_the_weighted_loss_has_the_weighted_gradient():
    scenario, steps = small_stream(), []

    class Gradients(Strategy):
        def after_backward(self, strategy, **kwargs):
            state = {n: v.clone() for n, v in strategy.model.state_dict().items()}
            gradient = strategy.model.head.weight.grad.clone()
            steps.append((strategy.mbatch, state, gradient))

    er = ER(memory_size=10, balance="experience")
    learner = small_learner(scenario, [er, Gradients(), SGD()], backbone=plain())
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    (inputs, targets, labels), state, gradient = steps[-1]
    model = small_learner(scenario, backbone=plain()).model
    model.load_state_dict(state)
    output = model(inputs, labels)
    new = nn.functional.cross_entropy(output[:8], targets[:8])
    old = nn.functional.cross_entropy(output[8:], targets[8:])
    loss = new / 3 + 2 / 3 * old
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
