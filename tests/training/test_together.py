"""Seeds that are trained as one model have the numbers that each has alone, to rounding."""

import math

import pytest
from small_runs import spec
from together_runs import SEEDS, assert_equal_to_rounding, members, train_alone

from nanocl.data.batches import tensor_parts
from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import Notice
from nanocl.training import checkpoint, checkpoint_files, experiment, together
from nanocl.training.context import Context

OPTIMIZERS = (
    *("adagrad", "adam", "adamw", "adamw-dense", "cautious-adamw", "classp", "lift", "lora"),
    *("mofo", "nanoadam", "pafi", "sgd", "torch:RMSprop"),
)


def trained(**values):
    """The members of two groups: trained together, and one after the other."""
    ours, alone = members(**values), members(**values)
    together.train(ours)
    train_alone(alone)
    return ours, alone


@pytest.mark.parametrize("strategy", OPTIMIZERS)
def test_every_optimizer_leaves_each_seed_the_weights_it_has_alone(strategy):
    assert_equal_to_rounding(*trained(strategy=strategy))


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("class", "seen"),
        ("class", "all"),
        ("task", "own"),
        ("task", "masked"),
        ("domain", "shared"),
    ],
)
@pytest.mark.parametrize("strategy", ["adamw", "nanoadam"])
def test_every_head_does_so_too(strategy, kind, head):
    assert_equal_to_rounding(*trained(strategy=strategy, kind=kind, head=head))


@pytest.mark.parametrize(
    "training",
    [
        {"iterations": 5},
        {"optimizer_state": "reset"},
        {"optimizer_state": "reset-step"},
        {"schedule": "cosine"},
        {"schedule": "step", "schedule_at": "stream"},
    ],
    ids=str,
)
def test_so_does_every_way_of_training(training):
    assert_equal_to_rounding(*trained(**training))


def test_so_does_regression():
    assert_equal_to_rounding(*trained(kind="domain", head="shared", measure="loss"))


def test_afterwards_no_seed_holds_the_memory_of_another():
    ours, _ = trained()
    for run in ours:
        for parameter in run.learner.model.parameters():
            size = parameter.numel() * parameter.element_size()
            assert parameter.untyped_storage().nbytes() == size and parameter.grad is None


def test_a_seed_that_diverges_ends_there_and_harms_no_other():
    ours, alone = members(), members()
    for runs in (ours, alone):
        runs[1].experiences = _with_infinite_inputs(runs[1].experiences, number=1)
    together.train(ours)
    train_alone(alone)
    assert [run.outcome.status for run in ours] == ["ok", "diverged", "ok"]
    assert len(ours[1].outcome.evaluation) == 1
    assert ours[1].meter.steps == alone[1].meter.steps
    assert_equal_to_rounding([ours[0], ours[2]], [alone[0], alone[2]])


class InfiniteOnce:
    """A preparation whose first mini-batch is infinite; those after it would be fine."""

    def __init__(self, prepare):
        self.prepare, self.calls = prepare, 0

    def __call__(self, stored, generator=None):
        self.calls += 1
        return self.prepare(stored, generator) * (math.inf if self.calls == 1 else 1)


def _with_infinite_inputs(experiences, number):
    for experience in experiences:
        if experience.current_experience == number:
            (dataset, _), *_ = tensor_parts(experience.dataset)
            dataset.prepare = InfiniteOnce(dataset.prepare)
        yield experience


def test_seeds_that_all_diverge_end():
    ours = members("sgd")
    for run in ours:
        run.experiences = _with_infinite_inputs(run.experiences, number=0)
    together.train(ours)
    assert {run.outcome.status for run in ours} == {"diverged"}


def specs(strategy="adamw", **values):
    return [spec(strategy, seed, **values) for seed in SEEDS]


def assert_close(result, other):
    """Two records of a run, by their evaluation and their drift."""
    assert result.initial == other.initial
    for row, theirs in zip(result.evaluation, other.evaluation, strict=True):
        assert row == pytest.approx(theirs, abs=0.02), "a sample or two"
    for drift, theirs in zip(result.drift, other.drift, strict=True):
        assert drift.start["all"]["l2"] == pytest.approx(theirs.start["all"]["l2"], rel=1e-5)
    assert result.cost.steps == other.cost.steps
    assert result.cost.optimizer_state_bytes == other.cost.optimizer_state_bytes


def test_a_record_says_how_many_seeds_were_one_model():
    runs = specs()
    for run, result in zip(runs, experiment.run_group(runs, Context()), strict=True):
        alone = experiment.run_one(run, Context())
        assert (result.cost.together, alone.cost.together) == (len(SEEDS), 0)
        assert result.spec == run
        assert_close(result, alone)


def interrupted(monkeypatch, runs, context, after):
    """Let a group end after so many experiences (of one epoch)."""
    epochs = []
    train_epoch = together.Group.train_epoch

    def limited(group, task_label):
        if len(epochs) == after:
            raise KeyboardInterrupt
        epochs.append(len(group.members))
        train_epoch(group, task_label)

    with monkeypatch.context() as patch:
        patch.setattr(together.Group, "train_epoch", limited)
        try:
            return list(experiment.run_group(runs, context)), epochs
        except KeyboardInterrupt:
            return [], epochs


def test_an_interrupted_group_goes_on_together_or_alone(monkeypatch, tmp_path):
    runs, context = specs(), Context(checkpoints=tmp_path)
    whole = [experiment.run_one(run, Context()) for run in runs]
    assert interrupted(monkeypatch, runs, context, after=2)[0] == []
    first = experiment.run_one(runs[0], context)
    others, epochs = interrupted(monkeypatch, runs[1:], context, after=5)
    assert epochs == [2, 2, 2], "the first two of five experiences are not trained again"
    for result, alone in zip([first, *others], whole, strict=True):
        assert_close(result, alone)
        assert result.cost.together == 3


def test_a_seed_that_is_behind_is_trained_alone_until_it_meets_the_others(monkeypatch, tmp_path):
    runs, context = specs(), Context(checkpoints=tmp_path)
    interrupted(monkeypatch, runs, context, after=2)
    checkpoint_files.path_of(runs[0], tmp_path).unlink()
    results, epochs = interrupted(monkeypatch, runs, context, after=5)
    assert epochs == [3, 3, 3]
    for run, result in zip(runs, results, strict=True):
        assert_close(result, experiment.run_one(run, Context()))


def test_a_damaged_checkpoint_of_one_seed_starts_that_seed_again(monkeypatch, tmp_path):
    runs, context = specs(), Context(checkpoints=tmp_path)
    interrupted(monkeypatch, runs, context, after=2)
    checkpoint_files.path_of(runs[1], tmp_path).write_text("nonsense")
    told = []
    results = list(experiment.run_group(runs, context, told.append))
    assert [message.digest for message in told if isinstance(message, Notice)] == [runs[1].digest]
    assert_close(results[1], experiment.run_one(runs[1], Context()))


def test_a_seed_that_was_interrupted_within_an_experience_ends_alone(monkeypatch, tmp_path):
    runs = specs()
    context = Context(checkpoints=tmp_path, checkpoint_minutes=1e-9)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", _raise)
        with pytest.raises(KeyboardInterrupt):
            experiment.run_one(runs[2], context)
    results = {result.spec.seed: result for result in experiment.run_group(runs, context)}
    assert [results[seed].cost.together for seed in SEEDS] == [2, 2, 0]
    assert_close(results[2], experiment.run_one(runs[2], Context()))


def _raise(*arguments):
    raise KeyboardInterrupt


def test_on_mnist_each_seed_is_what_it_is_alone(data_root):
    settings = {"model": {"width": "50"}, "training": {"iterations": "15", "batch_size": "32"}}
    request = Request(
        stream="split-mnist",
        scenario="task",
        strategies=("nanoadam",),
        seeds=SEEDS,
        settings={**settings, "stream": {"samples": "600"}},
    )
    runs = suite.specs(request, INSTALLED)
    context = Context(data_root=data_root)
    for run, result in zip(runs, experiment.run_group(runs, context), strict=True):
        alone = experiment.run_one(run, context)
        assert_close(result, alone)
        assert max(alone.evaluation[-1]) > 0.7, "something was learned"
