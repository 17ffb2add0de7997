"""Running statistics and precision of the weights in fine-tuning."""

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from finetuning import spec, weights

from nanocl.training import assembly, experiment, loop
from nanocl.training.context import Context
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter
from nanocl.training.normalisation import statistics_of
from nanocl.training.tracking import Tracker


def test_frozen_statistics_change_neither_in_training_nor_in_testing(pictures_root):
    run = spec(
        pictures_root, "ewc+adamw", start=1, model=weights(pictures_root), norm_statistics="freeze"
    )
    learner, scenario = assembly.build(run, Context(data_root=pictures_root))
    before = {name: value.clone() for name, value in statistics_of(learner.model).items()}
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    learner.eval(scenario.test_stream)
    after = statistics_of(learner.model)
    assert len(before) == 9 and all(torch.equal(before[name], after[name]) for name in before)


def test_restored_statistics_leave_an_old_experience_unchanged_if_no_weight_changes(
    pictures_root, monkeypatch
):
    """With constant weights, only the statistics can be forgotten."""

    def old(norm_statistics):
        run = spec(
            pictures_root,
            "sgd",
            start=1,
            model=weights(pictures_root),
            norm_statistics=norm_statistics,
        )
        learner, scenario = assembly.build(run, Context(data_root=pictures_root))
        learner.optimizer.param_groups[0]["lr"] = 0.0
        learner.train_epochs = 0
        learner.train(scenario.train_stream[0], eval_streams=[])
        learner.train_epochs = 1
        answers = []
        score = loop.Learner.forward
        monkeypatch.setattr(
            loop.Learner, "forward", lambda self: answers.append(score(self)) or answers[-1]
        )
        learner.eval(scenario.test_stream)
        learner.train(scenario.train_stream[1], eval_streams=[])
        answers_before, answers[:] = list(answers), []
        learner.eval(scenario.test_stream)
        monkeypatch.undo()
        return torch.equal(answers[0], answers_before[0]), torch.equal(
            answers[1], answers_before[1]
        )

    assert (
        old("update") == (False, False)
        and old("restore") == (True, False)
        and old("freeze") == (True, True)
    )


def test_within_an_experience_its_label_is_tested_with_the_statistics_in_training(pictures_root):
    """`first` is trained again: what was kept of it is older than what the model has."""
    run = spec(
        pictures_root,
        datasets="first,second,first",
        model={"norm": "batch"},
        norm_statistics="restore",
    )
    learner, scenario = assembly.build(run, Context(data_root=pictures_root))
    learner.tracker = Tracker(1000, Meter())  # one test, at the end of an experience
    watch = Watch()
    learner.plugins.append(watch)
    drift = DriftMeter(learner.model, learner.model.head_parameters())
    loop.train(learner, scenario, Meter(), drift=drift)
    assert watch.equal == [True, True, True]


class Watch(SupervisedPlugin):
    """Whether the last test before an experience ended was with the model's own statistics."""

    def __init__(self):
        super().__init__()
        self.equal = []

    def before_eval_iteration(self, strategy, **kwargs):
        self.label = strategy.experience.task_label
        now = statistics_of(strategy.model).items()
        self.tested = {name: value.clone() for name, value in now}

    def after_training_exp(self, strategy, **kwargs):
        assert self.label == strategy.experience.task_label
        now = statistics_of(strategy.model)
        self.equal.append(all(torch.equal(self.tested[name], now[name]) for name in now))


def test_an_interrupted_run_with_restored_statistics_resumes_bit_for_bit(
    pictures_root, monkeypatch
):
    run = spec(
        pictures_root,
        datasets="first,second,first[0-1]",
        model={"norm": "batch"},
        norm_statistics="restore",
    )
    whole = experiment.run_one(run, Context(data_root=pictures_root))
    save = experiment.checkpoint.save

    def save_then_stop(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_stop)
    with pytest.raises(KeyboardInterrupt):
        experiment.run_one(run, Context(data_root=pictures_root, checkpoints=pictures_root))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    again = experiment.run_one(run, Context(data_root=pictures_root, checkpoints=pictures_root))
    assert (again.evaluation, again.drift) == (whole.evaluation, whole.drift)


def test_bf16_weights_are_trained_in_bf16_and_give_float32_outputs(pictures_root):
    learner, scenario = assembly.build(
        spec(pictures_root, "nanoadam", model={"norm": "batch"}, precision="bf16"),
        Context(data_root=pictures_root),
    )
    learner.train(scenario.train_stream[0], eval_streams=[])
    assert {p.dtype for p in learner.model.parameters()} == {torch.bfloat16}
    answers = learner.model(torch.rand(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64))
    assert answers.dtype == torch.float32
    result = experiment.run_one(
        spec(pictures_root, "nanoadam", model={"norm": "batch"}, precision="bf16"),
        Context(data_root=pictures_root),
    )
    assert result.status == "ok" and result.drift[0].start["backbone"]["l2"] > 0
