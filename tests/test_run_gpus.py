"""`python -m nanocl.run` with GPUs: how many runs at a time, and what their records say."""

import pytest

from nanocl import run
from nanocl.engine import calls
from nanocl.records import store
from nanocl.training.devices import Devices

GRID = ("--tier", "smoke", "--strategy", "sgd", "--seeds", "5")


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [((), 2), (("--runs-per-gpu", "2"), 4), (("--runs-per-gpu", "2", "--workers", "3"), 3)],
)
def test_each_gpu_takes_so_many_runs_and_records_say_how_many(
    tmp_path, monkeypatch, capsys, arguments, workers
):
    """Two GPUs are pretended; the runs are on the CPU."""
    monkeypatch.setattr(calls, "call", lambda *_, **__: Devices("cpu", ("0", "1")))
    assert run.main([*GRID, *arguments, "--results", str(tmp_path)]) == 0
    results, _ = store.load_all(tmp_path)
    assert [result.cost.workers for result in results] == [workers] * 5


def test_runs_per_gpu_without_a_gpu_is_said_to_have_no_effect(tmp_path, capsys):
    arguments = ("--runs-per-gpu", "2", "--device", "cpu", "--results", str(tmp_path))
    assert run.main([*GRID[:-1], "1", *arguments]) == 0
    assert "--runs-per-gpu has no effect" in capsys.readouterr().err
