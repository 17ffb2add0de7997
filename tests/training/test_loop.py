"""The loop trains as a plain PyTorch loop does, and adapts Avalanche's template where it must."""

import warnings

import pytest
import torch
from avalanche.training.plugins import EvaluationPlugin
from torch import nn

from nanocl.records import Training
from nanocl.strategies import Strategy
from nanocl.testing import SmallBackbone, small_stream
from nanocl.training.drift import DriftMeter
from nanocl.training.heads import Network
from nanocl.training.loop import Learner, train
from nanocl.training.measure import Meter


def learner(scenario, optimizer=torch.optim.SGD, strategies=(), *, training=None, **options):
    torch.manual_seed(0)
    model = Network(SmallBackbone(), outputs=scenario.outputs, classes=scenario.classes, kind="all")
    made = optimizer(model.parameters(), **{"lr": 0.1, **options})
    training = training or Training(epochs=2, batch_size=8)
    return Learner(model=model, optimizer=made, strategies=strategies, training=training, seed=3)


def outcome_of(made, scenario):
    drift = DriftMeter(made.model, made.model.head_parameters())
    return train(made, scenario, Meter(), drift=drift)


def test_a_learner_is_made_without_a_warning():
    scenario = small_stream()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner(scenario)


def test_a_run_equals_a_loop_written_out_in_pytorch():
    scenario = small_stream()
    ours = learner(scenario)
    outcome_of(ours, scenario)
    plain = learner(scenario).model
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    for number, experience in enumerate(scenario.train_stream):
        inputs = torch.stack([sample[0] for sample in experience.dataset])
        targets = torch.tensor([sample[1] for sample in experience.dataset])
        order = torch.Generator().manual_seed(3 * 1_000_003 + number)
        plain.train()
        for _ in range(2):
            for rows in torch.randperm(len(inputs), generator=order).split(8):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(plain(inputs[rows]), targets[rows])
                loss.backward()
                optimizer.step()
    for a, b in zip(ours.model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, b)


def test_iterations_replace_epochs():
    scenario = small_stream()
    counted = learner(scenario, training=Training(iterations=5, batch_size=8))
    meter = Meter()
    drift = DriftMeter(counted.model, counted.model.head_parameters())
    train(counted, scenario, meter, drift=drift)
    assert meter.steps == 5 * len(scenario.train_stream)


@pytest.mark.parametrize(("state", "steps"), [("keep", "all"), ("reset", "last")])
def test_the_state_of_the_optimizer_is_kept_or_reset_at_an_experience(state, steps):
    scenario = small_stream()
    training = Training(iterations=5, batch_size=8, optimizer_state=state)
    made = learner(scenario, torch.optim.Adam, training=training, lr=1e-3)
    outcome_of(made, scenario)
    expected = 5 * (len(scenario.train_stream) if steps == "all" else 1)
    assert {int(entry["step"]) for entry in made.optimizer.state.values()} == {expected}


def test_a_parameter_that_the_strategy_left_out_of_the_optimizer_is_not_trained():
    scenario = small_stream()
    made = learner(scenario)
    made.optimizer = torch.optim.SGD(made.model.head.parameters(), lr=0.1)
    before = [p.detach().clone() for p in made.model.backbone.parameters()]
    outcome_of(made, scenario)
    after = made.model.backbone.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


class Explode(Strategy):
    """Makes the loss infinite in the second experience.

    Source: a test.
    """

    def before_backward(self, strategy, **kwargs):
        if strategy.experience.current_experience == 1:
            strategy.loss = strategy.loss * float("inf")


def test_an_infinite_loss_ends_the_run_with_the_rows_measured_before():
    scenario = small_stream()
    outcome = outcome_of(learner(scenario, strategies=[Explode()]), scenario)
    assert outcome.status == "diverged"
    assert len(outcome.evaluation) == len(outcome.drift) == 1


def test_a_learner_without_metrics_has_no_evaluation_plugin_at_its_hooks():
    stream = small_stream("task")
    made = learner(stream)
    assert not [plugin for plugin in made.plugins if isinstance(plugin, EvaluationPlugin)]
    assert made.eval(stream.test_stream) == {}  # what Avalanche's own evaluation returns
