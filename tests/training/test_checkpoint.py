"""An interrupted run resumes from its checkpoint, bit for bit."""

import pytest
from small_runs import numbers, spec

from nanocl.plugins.catalogue import Catalogue
from nanocl.training import experiment, loop
from nanocl.training.context import Context

NOISY = '''
import random

import numpy

from nanocl.strategies import Strategy


class Noisy(Strategy):
    """Weight each loss by chance from the generators of Python and numpy.

    Source: made up.
    """

    def before_backward(self, strategy, **kwargs):
        strategy.loss = strategy.loss * (random.random() + numpy.random.rand())
'''


class Killed(Exception):
    pass


@pytest.mark.parametrize("strategy", ["nanoadam", "ewc+microadam", "er+adamw"])
def test_a_run_that_was_cut_goes_on_bit_for_bit(tmp_path, monkeypatch, strategy):
    run = spec(strategy)
    whole = experiment.run_one(run, Context())
    save = experiment.checkpoint.save

    def save_then_die(path, learner, meter, drift, outcome):
        save(path, learner, meter, drift, outcome)
        if len(outcome.evaluation) == 3:
            raise Killed

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        experiment.run_one(run, Context(checkpoints=tmp_path))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    trained = []
    monkeypatch.setattr(
        loop.Learner,
        "train",
        lambda self, e, train=loop.Learner.train, **k: (
            trained.append(e.current_experience),
            train(self, e, **k),
        ),
    )
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path))) == numbers(whole)
    assert trained == [3, 4] and not list(tmp_path.iterdir())


def test_a_damaged_checkpoint_is_dropped_and_the_run_begins_again(tmp_path):
    run = spec()
    (tmp_path / f"{run.digest}.pt").write_bytes(b"garbage")
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path))) == numbers(
        experiment.run_one(run, Context())
    )
    assert not list(tmp_path.iterdir())


def test_random_numbers_of_python_and_numpy_resume_bit_for_bit_and_an_edited_file_changes_nothing(
    tmp_path, monkeypatch
):
    plugin = tmp_path / "noisy.py"
    plugin.write_text(NOISY)
    catalogue = Catalogue([plugin])
    run = spec("noisy+sgd", catalogue=catalogue)
    whole = experiment.run_one(run, Context(catalogue))
    assert numbers(experiment.run_one(run, Context(catalogue))) == numbers(whole)
    save = experiment.checkpoint.save

    def save_then_die(path, learner, meter, drift, outcome):
        save(path, learner, meter, drift, outcome)
        raise Killed

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        experiment.run_one(run, Context(catalogue, checkpoints=tmp_path))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    plugin.write_text("an edit during the run\n")
    resumed = experiment.run_one(run, Context(catalogue, checkpoints=tmp_path))
    assert numbers(resumed) == numbers(whole)
