"""`python -m nanocl.run` with GPUs: how many runs at a time, and what their records say."""

import pytest

from nanocl import run
from nanocl.engine import calls, local
from nanocl.training.context import Findings
from nanocl.training.devices import Devices

NOTHING = Findings({}, {})
GRID = ("--tier", "smoke", "--strategy", "sgd", "--seeds", "5")


@pytest.fixture
def engine(monkeypatch):
    """What the engine of this machine is called with; nothing is run."""
    called = []

    def run_all(run_one, specs, **values):
        called.append({**values, "recorded": run_one.keywords["context"].workers})
        yield from ()

    monkeypatch.setattr(local, "run_all", run_all)
    return called


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [((), 2), (("--runs-per-gpu", "2"), 4), (("--runs-per-gpu", "2", "--workers", "3"), 3)],
)
def test_each_gpu_takes_so_many_runs_and_records_say_how_many(
    engine, tmp_path, monkeypatch, arguments, workers
):
    monkeypatch.setattr(calls, "call", lambda *_, **__: (Devices("cuda", ("4", "7")), NOTHING))
    assert run.main([*GRID, *arguments, "--results", str(tmp_path)]) == 0
    (values,) = engine
    assert values["gpus"] == ("4", "7") and values["workers"] == values["recorded"] == workers


def test_runs_per_gpu_without_a_gpu_is_said_to_have_no_effect(
    engine, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(calls, "call", lambda *_, **__: (Devices("cpu"), NOTHING))
    assert run.main([*GRID, "--runs-per-gpu", "2", "--results", str(tmp_path)]) == 0
    assert "--runs-per-gpu has no effect" in capsys.readouterr().err
    assert engine[0]["gpus"] == ()
