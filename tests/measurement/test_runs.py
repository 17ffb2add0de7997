"""Which runs of a call are missing, and what becomes of their results."""

import pytest
from making import a_result
from small_runs import spec

from nanocl.cli.commandline import Call
from nanocl.measurement import runs
from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols.request import Request
from nanocl.records import RunFailure, RunResult, store
from nanocl.records.measuring import Measuring


def call(folder, evaluate="seen", **values):
    return Call(Request(), results_root=folder, measuring=Measuring(evaluate), **values)


def test_a_run_is_missing_without_a_record_or_with_one_that_tested_less(tmp_path):
    stored = a_result()
    assert runs.missing([stored.spec], call(tmp_path)) == [stored.spec]
    store.save(stored, tmp_path)
    assert runs.missing([stored.spec], call(tmp_path)) == []
    assert runs.missing([stored.spec], call(tmp_path, probe=True)) == [stored.spec]


@pytest.mark.parametrize("evaluate", ["seen", "last"])
def test_runs_are_measured_stored_and_no_checkpoint_stays(tmp_path, evaluate):
    todo = [spec("sgd", seed=seed) for seed in (0, 1)]
    outcomes = runs.measure(todo, 2, call(tmp_path, evaluate), INSTALLED)
    assert {outcome.spec.seed for outcome in outcomes} == {0, 1}
    assert all(isinstance(outcome, RunResult) for outcome in outcomes)
    assert [store.find(run, tmp_path).evaluate for run in todo] == [evaluate] * 2
    assert not list((tmp_path / ".part").glob("*.safetensors"))


def test_a_result_that_cannot_be_stored_is_a_failure(tmp_path, monkeypatch):
    def refuse(*_):
        raise ValueError("the disk is full")

    monkeypatch.setattr(store, "save", refuse)
    (outcome,) = runs.measure([spec("sgd")], 1, call(tmp_path), INSTALLED)
    assert isinstance(outcome, RunFailure)
    assert outcome.error == "measured, but not stored: the disk is full"
