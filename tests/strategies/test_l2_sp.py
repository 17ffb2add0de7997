"""L2-SP adds the squared distance from the start, of the backbone alone."""

import pytest
import torch

from nanocl.strategies import Strategy
from nanocl.strategies.l2_sp import L2SP
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream


class Losses(Strategy):
    """The loss without and with the penalties of the strategies before this one."""

    def __init__(self):
        super().__init__()
        self.pairs = []

    def before_backward(self, strategy, **kwargs):
        self.pairs.append((strategy.criterion().item(), strategy.loss.item(), strategy.model))


@pytest.mark.parametrize("kind", ["class", "task"])
def test_the_penalty_is_half_the_squared_distance_from_the_start_of_the_stream(kind):
    scenario, losses = small_stream(kind), Losses()
    learner = small_learner(scenario, [L2SP(strength=0.3), SGD(lr=0.05), losses])
    start = {name: value.detach().clone() for name, value in learner.model.named_parameters()}
    distances = []

    class Watch(Strategy):
        def before_backward(self, strategy, **kwargs):
            named = dict(strategy.model.named_parameters())
            distances.append(
                sum(
                    (named[name].detach() - value).square().sum().item()
                    for name, value in start.items()
                    if not name.startswith("head")
                )
            )

    learner.plugins.append(Watch())
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    for (alone, both, _), distance in zip(losses.pairs, distances, strict=True):
        assert both - alone == pytest.approx(0.15 * distance, rel=1e-3, abs=1e-6)
    assert distances[0] == 0 and distances[-1] > 0.01


def test_a_stronger_anchor_keeps_the_backbone_nearer_to_its_start():
    moved = []
    for strength in (0.0, 1.0):
        scenario = small_stream("domain")
        learner = small_learner(scenario, [L2SP(strength=strength), SGD(lr=0.1)])
        outcome = run(learner, scenario)
        moved.append(outcome.drift[-1].start["backbone"]["l2"])
    assert moved[1] < 0.7 * moved[0]


def test_a_strength_below_0_is_refused():
    with pytest.raises(ValueError, match=r"strength must be .*-1"):
        L2SP(strength=-1.0)


def test_the_anchor_survives_a_checkpoint():
    scenario, l2 = small_stream(), L2SP()
    learner = small_learner(scenario, [l2, SGD(lr=0.1)])
    learner.train(scenario.train_stream[0], eval_streams=[])
    again = L2SP()
    again.load_state_dict(l2.state_dict())
    assert all(torch.equal(value, again.anchor[name]) for name, value in l2.anchor.items())
