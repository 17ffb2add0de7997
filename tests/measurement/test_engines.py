"""The engines that a call can name."""

import pytest
from small_runs import spec

from nanocl.cli.commandline import Call
from nanocl.cli.machines import Machines
from nanocl.measurement import engines
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.training.context import Context


def workers(folder, runs, **machines):
    call = Call(Request(), results_root=folder, device="cpu", machines=Machines(**machines))
    with engines.here([spec("sgd", seed=n) for n in range(runs)], call, Context()) as run_all:
        return run_all.keywords["workers"]


def test_there_are_no_more_workers_than_runs(tmp_path):
    assert (workers(tmp_path, 1, workers=3), workers(tmp_path, 3, workers=2)) == (1, 2)


def test_runs_that_should_share_a_gpu_on_a_cpu_are_told_so(tmp_path, capsys):
    workers(tmp_path, 1, runs_per_gpu=4)
    assert "--runs-per-gpu has no effect" in capsys.readouterr().err


def test_a_mistake_in_a_run_is_found_before_an_engine_starts(tmp_path):
    wrong = spec("sgd", settings={"sgd": {"lr": "-1"}})
    with (
        pytest.raises(UserError, match="lr must be in"),
        engines.here([wrong], Call(Request(), results_root=tmp_path), Context()),
    ):
        pass
