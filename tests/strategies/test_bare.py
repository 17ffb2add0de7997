"""A bare class by name trains as the same class inside a strategy does."""

import dataclasses

import pytest
from bare_classes import LION, PLAIN
from small_runs import numbers, spec

from nanocl.cli.commandline import call
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.records import UserError
from nanocl.strategies import _bare
from nanocl.training import assembly, experiment
from nanocl.training.context import Context

WRAPPED = """
from nanocl.strategies import Strategy

class Wrapped(Strategy):
    def make_optimizer(self, model):
        return _Lion(model.parameters(), lr=1e-3, betas=(0.8, 0.99))
"""
HELD = """
from avalanche.training.plugins import EWCPlugin
from nanocl.strategies import Strategy

class Held(Strategy):
    def __init__(self):
        super().__init__()
        self.ewc = EWCPlugin(ewc_lambda=500.0)
    def before_backward(self, strategy, **kwargs):
        self.ewc.before_backward(strategy)
    def after_training_exp(self, strategy, **kwargs):
        self.ewc.after_training_exp(strategy)
"""


def asked(*arguments):
    """The specs and the catalogue of a command line."""
    made = call(["--tier", "smoke", "--seeds", "1", *arguments])
    catalogue = Catalogue(made.plugin_files)
    return suite.specs(made.request, catalogue), catalogue


def written(tmp_path, **texts):
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    return {name: tmp_path / f"{name}.py" for name in texts}


def test_an_optimizer_of_a_file_trains_as_inside_a_strategy(tmp_path):
    paths = written(tmp_path, lion=LION, wrapped=LION.replace("Lion", "_Lion") + WRAPPED)
    lion = f"{paths['lion']}:Lion"
    settings = ["--set", f"{lion}.lr=1e-3", "--set", "lion:Lion.beta1=0.8"]
    (run,), catalogue = asked("--strategy", lion, *settings)
    options = {"lr": 1e-3, "beta1": 0.8, "beta2": 0.99, "weight_decay": 0.0}
    assert run.strategy_name == "lion:Lion" and run.strategy[0].options == options
    held = Catalogue([paths["wrapped"]])
    expected = experiment.run_one(spec("wrapped", catalogue=held), Context(held))
    assert numbers(experiment.run_one(run, Context(catalogue))) == numbers(expected)
    paths["lion"].write_text(LION + "# edited\n")
    assert asked("--strategy", lion, *settings)[0][0].digest != run.digest


def test_a_plugin_of_avalanche_trains_as_inside_a_strategy(tmp_path):
    paths = written(tmp_path, held=HELD)
    name = "avalanche:EWCPlugin"
    (run,), catalogue = asked(
        "--strategy", f"{name}+sgd", "--set", f"{name}.ewc_lambda=500.0", "--scenario", "task"
    )
    held = Catalogue([paths["held"]])
    inside = spec("held+sgd", catalogue=held, scenario="task")
    expected = experiment.run_one(inside, Context(held))
    assert numbers(experiment.run_one(run, Context(catalogue))) == numbers(expected)
    plain = experiment.run_one(spec("sgd", scenario="task"), Context())
    assert plain.drift != expected.drift


def test_a_plain_plugin_of_a_file_composes_with_an_optimizer_of_another(tmp_path):
    paths = written(tmp_path, plain=PLAIN, lion=LION)
    text = f"plain+{paths['lion']}:Lion"
    (run,), catalogue = asked(
        "--plugin", str(paths["plain"]), "--strategy", text, "--set", "plain.factor=3"
    )
    assert run.strategy_name == "plain+lion:Lion" and run.strategy[0].options == {"factor": 3.0}
    assert all(part.plugin for part in run.strategy)
    assert experiment.run_one(run, Context(catalogue)).status == "ok"


def test_a_missing_package_is_named_before_training(monkeypatch):
    monkeypatch.setattr(_bare, "NEEDED", {"EWCPlugin": "no_such_package"})
    with pytest.raises(UserError, match="install it with: pip install no_such_package"):
        asked("--strategy", "avalanche:EWCPlugin")


def test_an_option_without_default_is_asked_for_before_training():
    (run,), catalogue = asked("--strategy", "avalanche:EWCPlugin")
    with pytest.raises(UserError, match=r"give it with --set avalanche:EWCPlugin.ewc_lambda=VALUE"):
        assembly.check([run], Context(catalogue))
    plain = dataclasses.replace(run.strategy[0], options={**run.strategy[0].options})
    assert plain.options["ewc_lambda"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Thing(dict):\n    pass\n", "must be a torch.optim.Optimizer"),
        (PLAIN.replace("factor=2.0", "buffer: list"), "change the base to nanocl.strat"),
        (LION.replace("params, lr", "params, closure_of, lr"), "needs closure_of"),
    ],
)
def test_what_cannot_run_says_what_to_write(tmp_path, text, message):
    path = tmp_path / "own.py"
    path.write_text(text)
    name = text.split("class ")[1].split("(")[0]
    with pytest.raises(UserError, match=message):
        asked("--strategy", f"{path}:{name}")
