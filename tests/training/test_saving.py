"""A run that is cut in the middle of an experience loses at most the time between checkpoints."""

import time

import pytest
from killed import ALWAYS, killed_within
from small_runs import numbers, spec

from nanocl.plugins.catalogue import Catalogue
from nanocl.records import Notice
from nanocl.records.measuring import Measuring
from nanocl.training import checkpoint, checkpoint_files, experiment
from nanocl.training.context import Context

FOUR_EPOCHS = {"training": {"epochs": "4"}}


@pytest.mark.parametrize(
    ("strategy", "scenario"),
    [
        ("nanoadam", "class"),
        ("microadam", "domain"),
        ("ewc+mofo", "task"),
        ("si+sgd", "domain"),
        ("lwf+adamw", "task"),
        ("er+lift", "class"),
        ("derpp+adamw", "class"),
        ("er+derpp", "class"),
        ("a-gem+sgd", "task"),
        ("online-ewc+pafi", "domain"),
        ("lora", "task"),
        ("torch:Muon", "class"),
        ("joint+adam", "class"),
    ],
)
def test_a_run_that_was_cut_in_an_experience_goes_on_bit_for_bit(
    tmp_path, monkeypatch, strategy, scenario
):
    run = spec(strategy, scenario=scenario, settings=FOUR_EPOCHS)
    whole = experiment.run_one(run, Context())
    in_all = whole.cost.steps
    # within the second or third of five experiences, between two epochs or within one
    killed_within(monkeypatch, tmp_path, run, writes=round(0.37 * in_all))
    told = []
    again = experiment.run_one(run, Context(checkpoints=tmp_path), told.append)
    assert numbers(again) == numbers(whole) and again.cost.steps == in_all
    assert not [one for one in told if isinstance(one, Notice)]


@pytest.mark.parametrize("at", ["experience", "stream"])
def test_a_schedule_and_a_restarted_bias_correction_go_on_in_an_experience(
    tmp_path, monkeypatch, at
):
    training = {"schedule": "cosine", "schedule_at": at, "optimizer_state": "reset-step"}
    run = spec("adam", settings={"training": {**FOUR_EPOCHS["training"], **training}})
    whole = experiment.run_one(run, Context())
    killed_within(monkeypatch, tmp_path, run, writes=round(0.37 * whole.cost.steps))
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path))) == numbers(whole)


def test_tests_within_an_experience_go_on_where_they_were(tmp_path, monkeypatch):
    run, measuring = spec("er+sgd", settings=FOUR_EPOCHS), Measuring("seen", 3)
    whole = experiment.run_one(run, Context(measuring=measuring))
    writes = round(0.37 * whole.cost.steps)
    killed_within(monkeypatch, tmp_path, run, writes, measuring=measuring)
    again = experiment.run_one(run, Context(checkpoints=tmp_path, measuring=measuring))
    assert again.tracking == whole.tracking and len(whole.tracking["points"]) > 10
    assert numbers(again) == numbers(whole)


def test_a_checkpoint_with_other_tests_is_not_used(tmp_path, monkeypatch):
    run = spec("sgd", settings=FOUR_EPOCHS)
    killed_within(monkeypatch, tmp_path, run, writes=30, measuring=Measuring("seen"))
    told = []
    again = experiment.run_one(run, Context(checkpoints=tmp_path), told.append)
    assert numbers(again) == numbers(experiment.run_one(run, Context()))
    assert "evaluate" in next(one.text for one in told if isinstance(one, Notice))


def test_only_the_rest_of_the_experience_is_trained(tmp_path, monkeypatch):
    run = spec(settings=FOUR_EPOCHS)
    in_all = experiment.run_one(run, Context()).cost.steps
    killed_within(monkeypatch, tmp_path, run, writes=17)
    trained = []
    step = experiment.loop.Learner.optimizer_step
    monkeypatch.setattr(
        experiment.loop.Learner,
        "optimizer_step",
        lambda self: (trained.append(1), step(self)),
    )
    experiment.run_one(run, Context(checkpoints=tmp_path))
    assert len(trained) == in_all - 17


def test_augmented_images_in_a_fixed_number_of_iterations_resume_bit_for_bit(tmp_path, monkeypatch):
    settings = {
        "stream": {"augment": "crop-flip"},
        "training": {"iterations": "21"},  # several passes over the images
    }
    run = spec("er+sgd", settings=settings)
    whole = numbers(experiment.run_one(run, Context()))
    killed_within(monkeypatch, tmp_path, run, writes=35)
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path))) == whole


def test_a_run_may_be_cut_again_and_again(tmp_path, monkeypatch):
    run = spec("ewc+nanoadam", settings=FOUR_EPOCHS)
    whole = numbers(experiment.run_one(run, Context()))
    for writes in (3, 1, 12, 9):
        killed_within(monkeypatch, tmp_path, run, writes)
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path))) == whole


def test_a_checkpoint_is_written_when_the_minutes_have_passed(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    written = []
    monkeypatch.setattr(checkpoint, "save_within", lambda *_: written.append(clock[0]))
    step = experiment.loop.Learner.optimizer_step
    monkeypatch.setattr(
        experiment.loop.Learner,
        "optimizer_step",
        lambda self: (clock.__setitem__(0, clock[0] + 50), step(self)),
    )
    run = spec(settings={"stream": {"experiences": "1"}, "training": {"epochs": "8"}})
    steps = experiment.run_one(run, Context(checkpoints=tmp_path)).cost.steps
    assert steps > 12
    # five minutes are six steps of 50 seconds
    assert written == [300.0 * n for n in range(1, steps // 6 + 1)]
    written.clear()
    experiment.run_one(
        spec(seed=1, settings={"stream": {"experiences": "1"}}),
        Context(checkpoints=tmp_path, checkpoint_minutes=0),
    )
    assert written == []


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"garbage"])
def test_a_damaged_checkpoint_within_an_experience_costs_that_experience_only(
    tmp_path, monkeypatch, damage
):
    run = spec("er+nanoadam", settings=FOUR_EPOCHS)
    whole = numbers(experiment.run_one(run, Context()))
    killed_within(monkeypatch, tmp_path, run, writes=17)
    (within,) = tmp_path.glob("*.within.pt")
    within.write_bytes(damage(within.read_bytes()))
    told = []
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path), told.append)) == whole
    texts = [one.text for one in told if isinstance(one, Notice)]
    assert len(texts) == 1 and "starting the experience again, its checkpoint" in texts[0]


def test_a_state_that_a_strategy_refuses_starts_the_run_again(tmp_path, monkeypatch):
    run = spec("er+nanoadam", settings=FOUR_EPOCHS)
    whole = numbers(experiment.run_one(run, Context()))
    killed_within(monkeypatch, tmp_path, run, writes=17)
    load, calls = checkpoint._put_back, []

    def refuse_the_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("gone")
        load(*arguments)

    monkeypatch.setattr(checkpoint, "_put_back", refuse_the_second)
    told = []
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path), told.append)) == whole
    texts = [one.text for one in told if isinstance(one, Notice)]
    assert len(texts) == 1 and "starting again, its checkpoint was not usable" in texts[0]


def test_nothing_is_left_of_a_checkpoint_that_is_deleted(tmp_path, monkeypatch):
    run = spec(settings=FOUR_EPOCHS)
    killed_within(monkeypatch, tmp_path, run, writes=17)
    assert len(list(tmp_path.iterdir())) == 2
    checkpoint_files.delete(checkpoint_files.path_of(run, tmp_path))
    assert not list(tmp_path.iterdir())


HOLDER = '''
import numpy

from nanocl.strategies import Strategy


class Holder(Strategy):
    """Decay the parameters that it took from the model by a factor that it counts.

    Source: made up.
    """

    def __init__(self):
        super().__init__()
        self.mean = numpy.float64(0.0)

    def before_training_exp(self, strategy, **kwargs):
        self.params = list(strategy.model.parameters())

    def after_training_iteration(self, strategy, **kwargs):
        self.mean = self.mean + numpy.float64(strategy.loss.item()) / 100
        for param in self.params:
            param.data.mul_(1 - 1e-3 * float(self.mean))
'''


def test_parameters_that_a_strategy_holds_stay_those_of_the_model(tmp_path, monkeypatch):
    plugin = tmp_path / "holder.py"
    plugin.write_text(HOLDER)
    catalogue = Catalogue([plugin])
    run = spec("holder+sgd", catalogue=catalogue, settings=FOUR_EPOCHS)
    whole = numbers(experiment.run_one(run, Context(catalogue)))
    killed_within(monkeypatch, tmp_path / "part", run, 5, catalogue)
    context = Context(catalogue, checkpoints=tmp_path / "part")
    assert numbers(experiment.run_one(run, context)) == whole


def test_seconds_of_training_contain_no_checkpoints(tmp_path, monkeypatch):
    save = checkpoint.save_within
    monkeypatch.setattr(
        checkpoint, "save_within", lambda *arguments: (time.sleep(0.05), save(*arguments))
    )
    run = spec(settings={"stream": {"experiences": "2"}, "training": {"epochs": "2"}})
    cost = experiment.run_one(run, Context(checkpoints=tmp_path, checkpoint_minutes=ALWAYS)).cost
    assert cost.steps >= 8 and cost.train_seconds < 0.05 * cost.steps
