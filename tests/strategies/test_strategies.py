"""Strategies compose, keep what belongs to a run in their state, and reject misspelt hooks."""

import pytest
import torch
from torch import nn

from nanocl.strategies import Strategy
from nanocl.strategies.adagrad import Adagrad
from nanocl.strategies.adamw import AdamW
from nanocl.strategies.er import ER
from nanocl.strategies.ewc import EWC
from nanocl.strategies.joint import Joint
from nanocl.strategies.lwf import LwF
from nanocl.strategies.microadam import MicroAdam
from nanocl.strategies.nanoadam import NanoAdam
from nanocl.strategies.online_ewc import OnlineEWC
from nanocl.strategies.sgd import SGD
from nanocl.strategies.si import SI
from nanocl.testing import run, small_learner, small_stream


def test_a_parameter_left_out_of_the_optimizer_is_not_trained():
    class HeadOnly(Strategy):
        def make_optimizer(self, model):
            return torch.optim.SGD(model.head.parameters(), lr=0.1)

    scenario = small_stream()
    learner = small_learner(scenario, [HeadOnly()])
    start = learner.model.backbone[1].weight.detach().clone()
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    assert torch.equal(learner.model.backbone[1].weight, start)
    assert sum(len(group["params"]) for group in learner.optimizer.param_groups) == 2


def test_a_layer_that_appears_later_joins_the_optimizer():
    scenario = small_stream()
    learner = small_learner(scenario, [SGD(lr=0.1)])
    learner.train(scenario.train_stream[0], eval_streams=[])
    learner.model.extra = nn.Parameter(torch.ones(1))
    learner.train(scenario.train_stream[1], eval_streams=[])
    assert any(p is learner.model.extra for p in learner.optimizer.param_groups[0]["params"])


@pytest.mark.parametrize(
    "parts",
    [
        (EWC, NanoAdam),
        (ER, LwF),
        (OnlineEWC, MicroAdam),
        (SI, SGD),
        (ER, EWC, SI, LwF, Adagrad),
        (Joint, EWC, AdamW),
    ],
)
def test_strategies_compose(parts):
    scenario = small_stream()
    strategies = [part() for part in parts]
    learner = small_learner(scenario, strategies)
    outcome = run(learner, scenario)
    assert outcome.status == "ok" and len(outcome.evaluation) == 3
    maker = (
        parts[-1]().make_optimizer(learner.model) if hasattr(parts[-1], "make_optimizer") else None
    )
    assert maker is None or type(learner.optimizer) is type(maker)


def test_the_penalties_of_a_composition_add_up():
    """EWC and LwF together change the loss by the sum of what each adds alone."""
    scenario = small_stream()
    ewc, lwf = EWC(strength=20.0), LwF(strength=2.0)
    learner = small_learner(scenario, [ewc, lwf])
    learner.train(scenario.train_stream[0], eval_streams=[])
    added = []

    class Measure(Strategy):
        def before_backward(self, strategy, **kwargs):
            base, values = strategy.criterion(), []
            for parts in ([ewc], [lwf], [ewc, lwf]):
                strategy.loss = base
                for part in parts:
                    part.before_backward(strategy)
                values.append((strategy.loss - base).item())
            added.append(values)

    learner.plugins.append(Measure())
    learner.train(scenario.train_stream[1], eval_streams=[])
    for alone, other, both in added[1:]:
        assert both == pytest.approx(alone + other, rel=1e-3, abs=1e-6) and alone > 0 and other > 0


@pytest.mark.parametrize("strategy", [SGD(lr=1e6), ER(memory_size=5), EWC(), SI(), LwF()])
def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(strategy):
    class Explosive(Strategy):
        def make_optimizer(self, model):
            return torch.optim.SGD(model.parameters(), lr=1e8)

    parts = [strategy] if hasattr(strategy, "make_optimizer") else [strategy, Explosive()]
    scenario = small_stream("domain", measure="loss")
    outcome = run(small_learner(scenario, parts, epochs=8), scenario)
    assert outcome.status == "diverged" and len(outcome.evaluation) < 3


@pytest.mark.parametrize(
    ("name", "near"),
    [("before_bakward", "before_backward"), ("after_trainig_exp", "after_training_exp")],
)
def test_a_misspelt_hook_is_an_error_that_names_the_right_one(name, near):
    with pytest.raises(TypeError, match=f"{name} is no hook of Avalanche's; did you mean '{near}'"):
        type("Typo", (Strategy,), {name: lambda self, strategy, **kwargs: None})


def test_the_state_excludes_tensors_with_a_graph():
    class Keeps(Strategy):
        def __init__(self):
            super().__init__()
            self.anchor = torch.ones(3, requires_grad=True)
            self.features = {"last": self.anchor * 2}

    state = Keeps().state_dict()
    assert torch.equal(state["anchor"], torch.ones(3)) and "features" not in state
