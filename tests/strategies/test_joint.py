"""Joint training sees the data of all experiences so far."""

import pytest
import torch

from nanocl.data.batches import MiniBatches
from nanocl.strategies import Strategy
from nanocl.strategies.joint import Joint
from nanocl.testing import run, small_learner, small_stream


class Inputs(Strategy):
    """Record the inputs of every training mini-batch."""

    def __init__(self):
        super().__init__()
        self.inputs, self.labels = [], []

    def before_forward(self, strategy, **kwargs):
        self.inputs.append(strategy.mb_x.clone())
        self.labels.append(strategy.mb_task_id.clone())


def test_joint_training_sees_every_sample_so_far_once_an_epoch():
    scenario, watch = small_stream(), Inputs()
    learner = small_learner(scenario, [Joint(), watch], epochs=1)
    for number, experience in enumerate(scenario.train_stream):
        watch.inputs, watch.labels = [], []
        learner.train(experience, eval_streams=[])
        assert torch.cat(watch.labels).bincount().tolist() == [24] * (number + 1)
        assert len(torch.cat(watch.inputs).flatten(1).unique(dim=0)) == 24 * (number + 1)


def test_joint_training_stays_on_whole_mini_batches():
    scenario, loaders = small_stream(), []

    class Loader(Strategy):
        def before_training_exp(self, strategy, **kwargs):
            loaders.append(type(strategy.dataloader))

    run(small_learner(scenario, [Joint(), Loader()]), scenario)
    assert loaders == [MiniBatches] * 3


def test_joint_training_at_the_end_waits_for_the_last_experience():
    scenario, watch = small_stream(), Inputs()
    learner = small_learner(scenario, [Joint(when="end"), watch], epochs=2)
    outcome = run(learner, scenario)
    assert outcome.status == "ok" and len(outcome.evaluation) == 3
    assert torch.cat(watch.labels).bincount().tolist() == [48] * 3
    assert outcome.drift[1].start["all"]["l2"] == 0 < outcome.drift[2].start["all"]["l2"]


def test_joint_training_at_the_end_learns_what_naive_training_forgets():
    scenario = small_stream(samples=24)
    joint = run(small_learner(scenario, [Joint(when="end")], epochs=10), scenario).evaluation[-1]
    naive = run(small_learner(scenario, epochs=10), scenario).evaluation[-1]
    assert sum(joint) / 3 > 0.8 and naive[0] < 0.2


def test_an_unknown_time_of_training_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="when must be one of each, end, got 'never'"):
        Joint(when="never")
