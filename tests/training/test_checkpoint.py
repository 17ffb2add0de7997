"""An interrupted run resumes from its checkpoint, bit for bit."""

import json
import random
from dataclasses import asdict, replace

import pytest
from small_runs import numbers, spec

from nanocl.plugins.catalogue import Catalogue
from nanocl.records import Notice
from nanocl.training import assembly, checkpoint, checkpoint_files, experiment, loop
from nanocl.training.context import Context
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome

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

    def save_then_die(path, spec, learner, meter, drift, outcome):
        save(path, spec, learner, meter, drift, outcome)
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
    assert trained == [3, 4]


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run, its checkpoint after the last experience, and its numbers."""
    folder, run = tmp_path_factory.mktemp("checkpoints"), spec("er+nanoadam")
    result = experiment.run_one(run, Context(checkpoints=folder))
    return run, checkpoint_files.path_of(run, folder).read_bytes(), numbers(result)


def restored(run, folder):
    """What loading the checkpoint raises, or the outcome."""
    learner, _ = assembly.build(run, Context())
    drift = DriftMeter(learner.model, learner.model.head_parameters())
    path = checkpoint_files.path_of(run, folder)
    return checkpoint.load(path, run, learner, Meter(), drift)


def test_a_checkpoint_copies_no_experience_before_the_last(tmp_path, monkeypatch):
    """Else its time would grow with the square of the stream."""
    written = []
    monkeypatch.setattr(
        checkpoint.verified, "write", lambda path, identity, state: written.append(state["outcome"])
    )
    run = spec("adamw")
    learner, _ = assembly.build(run, Context())
    drift = DriftMeter(learner.model, learner.model.head_parameters())
    outcome = Outcome(evaluation=[[0.5]], drift=[drift.measure(learner.model)])
    checkpoint.save(tmp_path / "file", run, learner, Meter(), drift, outcome)
    assert written == [asdict(outcome)]
    assert written[0]["evaluation"] is outcome.evaluation
    assert written[0]["drift"][0]["layers"] is outcome.drift[0].layers


def test_no_flipped_bit_of_a_checkpoint_goes_unnoticed(tmp_path, interrupted):
    run, content, _ = interrupted
    path, rng = checkpoint_files.path_of(run, tmp_path), random.Random(0)
    first_line = content.index(b"\n")
    places = [rng.randrange(first_line + 1) for _ in range(20)]
    places += [rng.randrange(len(content)) for _ in range(20)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(checkpoint.Unusable):
            restored(run, tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]\n", b"\xff\n"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, interrupted, content):
    run, _, _ = interrupted
    checkpoint_files.path_of(run, tmp_path).write_bytes(content)
    with pytest.raises(checkpoint.Unusable):
        restored(run, tmp_path)


def test_the_checkpoint_of_another_run_is_refused_under_this_name(tmp_path, interrupted):
    run, content, _ = interrupted
    other = replace(run, seed=1)
    checkpoint_files.path_of(other, tmp_path).write_bytes(content)
    with pytest.raises(checkpoint.Unusable, match=f"digest is {run.digest}"):
        restored(other, tmp_path)


@pytest.mark.parametrize("name", ["nanocl", "torch", "schema", "device"])
def test_a_checkpoint_of_another_version_or_device_is_refused(tmp_path, interrupted, name):
    run, content, _ = interrupted
    line, _, state = content.partition(b"\n")
    header = json.dumps({**json.loads(line), name: "0.0"}).encode()
    checkpoint_files.path_of(run, tmp_path).write_bytes(header + b"\n" + state)
    with pytest.raises(checkpoint.Unusable, match=f"{name} is 0.0"):
        restored(run, tmp_path)


def test_a_run_with_an_unusable_checkpoint_says_so_and_starts_again(tmp_path, interrupted):
    run, content, whole = interrupted
    checkpoint_files.path_of(run, tmp_path).write_bytes(content[:-1])
    messages = []
    again = experiment.run_one(run, Context(checkpoints=tmp_path), messages.append)
    assert numbers(again) == whole
    notices = [notice.text for notice in messages if isinstance(notice, Notice)]
    assert len(notices) == 1 and "starting again, its checkpoint was not usable" in notices[0]


def test_a_finished_run_keeps_its_checkpoint_until_its_record_is_stored(tmp_path, interrupted):
    run, content, whole = interrupted
    checkpoint_files.path_of(run, tmp_path).write_bytes(content)
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path))) == whole
    assert checkpoint_files.path_of(run, tmp_path).read_bytes() == content


def test_a_checkpoint_that_cannot_be_written_stops_no_training(tmp_path, interrupted):
    run, _, whole = interrupted
    folder = tmp_path / "a file"
    folder.write_text("not a folder")
    messages = []
    result = experiment.run_one(run, Context(checkpoints=folder), messages.append)
    assert numbers(result) == whole
    assert any("training on without a checkpoint" in getattr(one, "text", "") for one in messages)


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

    def save_then_die(path, spec, learner, meter, drift, outcome):
        save(path, spec, learner, meter, drift, outcome)
        raise Killed

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        experiment.run_one(run, Context(catalogue, checkpoints=tmp_path))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    plugin.write_text("an edit during the run\n")
    resumed = experiment.run_one(run, Context(catalogue, checkpoints=tmp_path))
    assert numbers(resumed) == numbers(whole)


KEEPING = """
from nanocl.strategies import Strategy


class Keeping(Strategy):
    \"\"\"Weigh the loss by an object that no checkpoint can hold.

    Source: made up.
    \"\"\"

    def __init__(self):
        super().__init__()
        self.inner = {"steps": {0}}

    def before_backward(self, strategy, **kwargs):
        steps = self.inner["steps"].pop() + 1
        self.inner["steps"].add(steps)
        strategy.loss = strategy.loss * steps
"""


def test_a_strategy_whose_state_cannot_be_kept_writes_no_checkpoint_and_says_so_once(tmp_path):
    plugin = tmp_path / "keeping.py"
    plugin.write_text(KEEPING)
    told, catalogue = [], Catalogue([plugin])
    context = Context(catalogue=catalogue, checkpoints=tmp_path)
    experiment.run_one(spec("keeping+adamw", catalogue=catalogue), context, tell=told.append)
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert len(notices) == 1 and not list(tmp_path.glob("*.pt"))
    assert "without a checkpoint" in notices[0] and "Keeping.inner is no tensor" in notices[0]
