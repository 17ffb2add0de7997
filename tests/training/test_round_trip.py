"""A run whose state no checkpoint can hold begins again, and its user is told."""

import pytest
from killed import killed_after
from small_runs import numbers, spec

from nanocl.plugins.catalogue import Catalogue
from nanocl.records import Notice
from nanocl.training import checkpoint, entry, experiment
from nanocl.training.context import Context

HEAD = """\
from avalanche.training.plugins import MASPlugin
from nanocl.strategies import Strategy
SEEN = []

"""
PLUGINS = {
    "freezing": """
class Freezing(Strategy):
    def before_training(self, strategy, **kwargs):
        if type(strategy.model.backbone).__name__ == "SmallBackbone":
            print("loud")
    def after_training_exp(self, strategy, **kwargs):
        if strategy.experience.current_experience == 0:
            strategy.model.backbone.requires_grad_(False)
""",
    "mas": """
class Mas(Strategy, MASPlugin):
    def __init__(self, *, strength: float = 1.0) -> None:
        MASPlugin.__init__(self, lambda_reg=strength)
""",
    "hooked": """
class Hooked(Strategy):
    def after_training_exp(self, strategy, **kwargs):
        if strategy.experience.current_experience == 0:
            strategy.model.backbone.register_forward_hook(lambda module, inputs, output: output / 2)
""",
    "shared": """
class Shared(Strategy):
    seen = []
    def after_training_exp(self, strategy, **kwargs):
        Shared.seen.append(1)
    def before_backward(self, strategy, **kwargs):
        strategy.loss = strategy.loss * (1 + len(Shared.seen))
""",
    "outside": """
class Outside(Strategy):
    def before_training_exp(self, strategy, **kwargs):
        SEEN.append(1)
        if len(SEEN) == 2:
            strategy.model.eval = lambda: strategy.model
    def before_backward(self, strategy, **kwargs):
        strategy.loss = strategy.loss * len(SEEN)
""",
    "special": """
class Special(Strategy):
    def before_training(self, strategy, **kwargs):
        strategy.model.backbone.layer4
""",
}
REASONS = {  # of the plugins whose runs cannot resume
    "mas": "Mas.params",
    "hooked": "it changes the hooks of backbone",
    "shared": "a run that resumes from a checkpoint gives other numbers",
    "outside": "a run that resumes from a checkpoint gives other numbers",
    "special": "a trial on a small stream failed with AttributeError",
}


def checked(folder, name):
    """The spec, the context of its runs, and what the user is told."""
    path = folder / f"{name}.py"
    path.write_text(HEAD + PLUGINS[name])
    catalogue = Catalogue([path])
    run = spec(name, catalogue=catalogue, scenario="task")
    context = Context(catalogue, checkpoints=folder / "part")
    told = []
    findings = entry.check([run], context, told.append)[1]
    return (
        run,
        Context(catalogue, checkpoints=context.checkpoints, unsavable=findings.unsavable),
        told,
    )


@pytest.mark.parametrize("name", ["freezing", "mas"])
def test_an_interrupted_run_equals_the_uninterrupted_one(tmp_path, monkeypatch, capsys, name):
    run, context, told = checked(tmp_path, name)
    assert capsys.readouterr().out == ""
    whole = experiment.run_one(run, Context(context.catalogue))
    with killed_after(monkeypatch, experiment.loop, "train_on", 3):
        experiment.run_one(run, context)
    again = experiment.run_one(run, context)
    assert numbers(again) == numbers(whole)
    assert bool(told) == (name in REASONS)
    assert again.cost.resumed == (0 if told else 1)


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_resume_writes_no_checkpoint_and_is_named_in_one_line(tmp_path, name):
    run, context, told = checked(tmp_path, name)
    (notice,) = told
    assert REASONS[name] in notice.text and "begins again" in notice.text
    assert notice.text.startswith(f"{name} is trained without checkpoints")
    assert experiment._checkpoint_of(run, context) is None


def test_strategies_of_nanocl_are_not_tried(monkeypatch):
    monkeypatch.setattr("nanocl.training.round_trip.obstacle", lambda *arguments: "tried")
    told = []
    context = Context(checkpoints="part")
    assert entry.check([spec("ewc+sgd"), spec("er")], context, told.append)[1].unsavable == {}
    assert told == []


def test_a_change_after_the_trial_keeps_the_checkpoint_before_it(tmp_path, monkeypatch):
    PLUGINS["late"] = PLUGINS["hooked"].replace("Hooked", "Late").replace("== 0", "== 3")
    run, context, told = checked(tmp_path, "late")
    assert told == []  # the trial has three experiences
    whole = experiment.run_one(run, Context(context.catalogue))
    notices = []
    with killed_after(monkeypatch, experiment.loop, "train_on", 5):
        experiment.run_one(run, context, notices.append)
    (text,) = {one.text for one in notices if isinstance(one, Notice)}
    assert "the hooks of backbone changed, which it does not hold" in text
    again = experiment.run_one(run, context)
    assert numbers(again) == numbers(whole) and again.cost.resumed == 1


def test_a_checkpoint_that_does_not_load_is_dropped_and_said(tmp_path, monkeypatch):
    run, context, _ = checked(tmp_path, "freezing")
    with killed_after(monkeypatch, experiment.loop, "train_on", 3):
        experiment.run_one(run, context)

    def refuse(*arguments):
        raise RuntimeError("no such state")

    told = []
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "load_state", refuse)
        again = experiment.run_one(run, context, told.append)
    (text,) = {one.text for one in told if isinstance(one, Notice)}
    assert text == "starting again, its checkpoint was not usable: no such state"
    assert numbers(again) == numbers(experiment.run_one(run, Context(context.catalogue)))
    assert again.cost.resumed == 0
