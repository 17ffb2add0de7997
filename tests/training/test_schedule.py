"""Learning rates follow their schedule, in each experience or over the stream."""

import math
from dataclasses import replace

import pytest
import torch
from small_runs import numbers, spec

from nanocl.records import Training
from nanocl.strategies import Strategy
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream
from nanocl.training import experiment
from nanocl.training.context import Context
from nanocl.training.schedule import factor


class Rates(Strategy):
    """Records the learning rate of each step."""

    def __init__(self):
        super().__init__()
        self.seen, self.after = [], []

    def before_update(self, strategy, **kwargs):
        self.seen.append(strategy.optimizer.param_groups[0]["lr"])

    def after_training_exp(self, strategy, **kwargs):
        self.after.append(strategy.optimizer.param_groups[0]["lr"])


def rates(**options):
    watch, stream = Rates(), small_stream()
    learner = small_learner(stream, [SGD(lr=0.4), watch])
    learner.training = replace(learner.training, **options)
    run(learner, stream)
    assert watch.after == [0.4] * 3
    return watch.seen


def test_the_cosine_of_an_experience_is_that_of_torchs_scheduler():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
    expected = []
    for _ in range(6):  # 24 samples, mini-batches of 8, 2 epochs
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates(schedule="cosine") == pytest.approx(expected * 3)


def test_the_cosine_of_a_stream_starts_once():
    expected = [0.2 * (1 + math.cos(math.pi * step / 18)) for step in range(18)]
    assert rates(schedule="cosine", schedule_at="stream") == pytest.approx(expected)


def test_steps_fall_to_a_tenth_at_half_and_three_quarters_of_the_time():
    assert [factor("step", t) for t in (0.0, 0.49, 0.5, 0.74, 0.75, 0.99)] == [
        1.0,
        1.0,
        0.1,
        0.1,
        0.01,
        0.01,
    ]
    assert rates(schedule="step") == pytest.approx([0.4, 0.4, 0.4, 0.04, 0.04, 0.004] * 3)


def test_a_constant_schedule_changes_nothing_and_is_no_part_of_the_digest():
    assert rates() == [0.4] * 18
    assert Training().identity() == Training(schedule="constant").identity()
    assert "schedule" not in Training().identity()
    plain, cosine = spec(), spec(settings={"training": {"schedule": "cosine"}})
    assert plain.protocol_hash != cosine.protocol_hash and plain.digest != cosine.digest


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", ["experience", "stream"])
def test_a_run_with_a_schedule_resumes_bit_for_bit(tmp_path, monkeypatch, at):
    one = spec("nanoadam", settings={"training": {"schedule": "cosine", "schedule_at": at}})
    whole = experiment.run_one(one, Context())
    save = experiment.checkpoint.save

    def save_then_die(path, spec, learner, meter, drift, outcome):
        save(path, spec, learner, meter, drift, outcome)
        if len(outcome.evaluation) == 2:
            raise Killed

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        experiment.run_one(one, Context(checkpoints=tmp_path))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    resumed = experiment.run_one(one, Context(checkpoints=tmp_path))
    assert numbers(resumed) == numbers(whole) != numbers(experiment.run_one(spec(), Context()))
