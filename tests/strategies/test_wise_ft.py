"""WiSE-FT goes back a part of the way from the weights before an experience to those after it."""

import copy

import pytest
import torch

from nanocl.strategies import Strategy
from nanocl.strategies.sgd import SGD
from nanocl.strategies.wise_ft import WiseFT
from nanocl.testing import run, small_learner, small_stream


class Trained(Strategy):
    """The state of the model at the end of training, before the strategies after this one."""

    def after_training_exp(self, strategy, **kwargs):
        self.state = copy.deepcopy(strategy.model.state_dict())


@pytest.mark.parametrize("kind", ["class", "task", "domain"])
def test_backbone_and_statistics_lie_between_those_before_and_those_trained(kind):
    scenario, trained = small_stream(kind), Trained()
    learner = small_learner(scenario, [trained, WiseFT(alpha=0.3), SGD(lr=0.1)])
    learner.train(scenario.train_stream[0], eval_streams=[])
    before = copy.deepcopy(learner.model.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in trained.state.items())
    learner.train(scenario.train_stream[1], eval_streams=[])
    after = learner.model.state_dict()
    for name, value in after.items():
        if name.startswith("head") or not value.is_floating_point():
            assert torch.equal(value, trained.state[name])
        else:
            expected = 0.7 * before[name] + 0.3 * trained.state[name]
            torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
            assert not torch.equal(value, trained.state[name])


def test_alpha_1_is_training_alone_to_the_bit():
    scenario = small_stream("task")
    with_it, without = (
        run(small_learner(scenario, [*strategies, SGD(lr=0.1)]), scenario)
        for strategies in ([WiseFT(alpha=1.0)], [])
    )
    assert with_it.evaluation == without.evaluation


def test_alpha_0_keeps_what_was_learned_first():
    scenario = small_stream("task")
    outcome = run(small_learner(scenario, [WiseFT(alpha=0.0), SGD(lr=0.1)]), scenario)
    assert {row[0] for row in outcome.evaluation} == {outcome.evaluation[0][0]}


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_an_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be"):
        WiseFT(alpha=alpha)
