"""What a command has workers do is known to it without torch."""

import subprocess
import sys
import warnings

import pytest
from small_runs import spec

from nanocl.records import UserError
from nanocl.training import assembly, entry, experiment
from nanocl.training.context import Context, Findings
from nanocl.training.devices import Devices


def test_the_entry_loads_no_torch():
    code = "import sys, nanocl.training.entry; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_a_check_names_the_mistake_and_otherwise_the_devices():
    told = []
    assert entry.check([spec("sgd")], Context(device="cpu"), told.append)[0] == Devices("cpu")
    with pytest.raises(UserError, match="lr"):
        entry.check([spec("sgd", settings={"sgd": {"lr": "-1"}})], Context(), told.append)
    assert told == []


def test_a_check_tells_our_warnings_and_no_others(monkeypatch):
    def warn(specs, context):
        warnings.warn("of another package", stacklevel=1)
        warnings.warn_explicit("decoding again", UserWarning, "x.py", 1, module="nanocl.data.x")
        return Findings({}, {})

    monkeypatch.setattr(assembly, "check", warn)
    told = []
    entry.check([spec("sgd")], Context(), told.append)
    assert [notice.text for notice in told] == ["decoding again"]


def test_a_run_of_the_entry_is_that_of_the_experiment():
    run = spec("sgd")
    one, other = (run_one(run, Context()) for run_one in (entry.run_one, experiment.run_one))
    assert (one.evaluation, one.drift) == (other.evaluation, other.drift)
