"""The command line becomes plain values, or one sentence that says what is wrong."""

from pathlib import Path

import pytest

from nanocl.cli.commandline import Call, call
from nanocl.cli.machines import Machines
from nanocl.protocols.request import Request
from nanocl.records import UserError


def test_no_argument_asks_for_the_default_protocol():
    assert call([]) == Call(Request())


def test_every_argument_reaches_its_field():
    words = "--stream split-mnist --strategy ewc+adam,sgd --seeds 2 --scenario task --tier smoke"
    words += " --model mlp --set ewc.strength=3 --set ewc.kind=exact --set model.width=8"
    words += " --data-root d --results r --workers 3 --device cpu --plugin p.py --dry-run --force"
    settings = {"ewc": {"strength": "3", "kind": "exact"}, "model": {"width": "8"}}
    request = Request("split-mnist", ("ewc+adam", "sgd"), (0, 1), "task", "smoke", "mlp", settings)
    assert call(words.split()) == Call(
        request,
        plugin_files=(Path("p.py"),),
        data_root=Path("d"),
        results_root=Path("r"),
        machines=Machines(workers=3),
        device="cpu",
        dry_run=True,
        force=True,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "lr=0.1"], r"--set takes PART.OPTION=VALUE.*got 'lr=0.1'"),
        (["--set", "sgd.lr"], "--set takes PART.OPTION=VALUE"),
        (["--strategy", " , "], "--strategy takes names separated by commas"),
        (["--workers", "-1"], "--workers must be at least 1.*got -1"),
    ],
)
def test_a_malformed_value_is_refused_with_the_right_form(words, message):
    with pytest.raises(UserError, match=message):
        call(words)
