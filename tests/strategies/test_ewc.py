"""EWC's penalty is the sum of the paper over all experiences, and protects what matters."""

import pytest
import torch
from fisher_cases import fisher

from nanocl.strategies._penalty import HalfSquare, snapshot
from nanocl.strategies.ewc import EWC
from nanocl.strategies.online_ewc import OnlineEWC
from nanocl.strategies.sgd import SGD
from nanocl.strategies.si import SI
from nanocl.testing import run, small_learner, small_stream


def penalty(*values):
    return HalfSquare()(torch.zeros(()), *values)


class Losses(SGD):
    """SGD that also notes what the penalty adds to each loss."""

    def __init__(self, **options):
        super().__init__(**options)
        self.added = []

    def before_backward(self, strategy, **kwargs):
        self.added.append((strategy.loss - strategy.criterion()).item())


def test_the_first_experience_has_no_penalty_and_the_second_starts_at_its_minimum():
    scenario, losses = small_stream(), Losses(lr=0.1)
    learner = small_learner(scenario, [EWC(strength=50.0), losses], epochs=1)
    learner.train(scenario.train_stream[0], eval_streams=[])
    assert losses.added == [0.0] * 3
    learner.train(scenario.train_stream[1], eval_streams=[])
    assert losses.added[3] == 0 and all(value > 0 for value in losses.added[4:])


def test_one_quadratic_stands_for_the_sum_over_all_experiences():
    scenario, ewc = small_stream(), EWC(strength=10.0)
    learner = small_learner(scenario, [ewc, SGD(lr=0.1)])
    pairs = []
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
        draw = len(pairs) + 1
        pairs.append(
            (
                fisher(learner.model, experience.dataset, samples=ewc.samples, seed=draw),
                snapshot(learner.model),
            )
        )
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    merged = penalty(learner.model, ewc.importance, ewc.centre) + ewc.floor
    apart = sum(penalty(learner.model, importance, anchor) for importance, anchor in pairs)
    torch.testing.assert_close(merged, apart)
    weights = list(learner.model.parameters())
    first = torch.autograd.grad(penalty(learner.model, ewc.importance, ewc.centre), weights)
    second = torch.autograd.grad(sum(penalty(learner.model, *pair) for pair in pairs), weights)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("strategy", [EWC, OnlineEWC])
def test_a_huge_strength_freezes_what_matters(strategy):
    moved = []
    for strength in (0.0, 1e6):
        scenario = small_stream("domain")
        learner = small_learner(scenario, [strategy(strength=strength, samples=0)], epochs=4)
        learner.train(scenario.train_stream[0], eval_streams=[])
        anchor = snapshot(learner.model)
        importance = fisher(learner.model, scenario.train_stream[0].dataset)
        learner.train(scenario.train_stream[1], eval_streams=[])
        moved.append(penalty(learner.model, importance, anchor).item())
    assert moved[1] < 1e-2 * moved[0]


@pytest.mark.parametrize("strategy", [EWC, OnlineEWC, SI])
def test_heads_that_are_not_in_use_keep_every_bit(strategy):
    scenario = small_stream("task")
    learner = small_learner(scenario, [strategy(strength=100.0)])
    first = scenario.train_stream[0]
    untouched = learner.model.head[2].weight.detach().clone()
    learner.train(first, eval_streams=[])
    trained = learner.model.head[0].weight.detach().clone()
    learner.train(scenario.train_stream[1], eval_streams=[])
    assert torch.equal(learner.model.head[0].weight, trained)
    assert torch.equal(learner.model.head[2].weight, untouched)


@pytest.mark.parametrize("strategy", [EWC, OnlineEWC])
def test_a_regression_stream_can_be_protected(strategy):
    scenario = small_stream("domain", measure="loss")
    outcome = run(small_learner(scenario, [strategy(strength=10.0)]), scenario)
    plain = run(small_learner(scenario), scenario)
    assert outcome.status == "ok" and outcome.evaluation[0] == plain.evaluation[0]
    assert outcome.evaluation[2] != plain.evaluation[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": -1.0}, r"strength must be in \[0, inf\), got -1.0"),
        ({"strength": float("nan")}, "strength must be in .*nan"),
        ({"fisher": "all"}, "fisher must be one of exact, sampled, empirical, batched, got 'all'"),
        ({"samples": -5}, "samples must be at least 0, got -5"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        EWC(**options)
