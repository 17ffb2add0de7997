"""Which runs of a call are missing, and what becomes of their results."""

import dataclasses
import sys

import pandas as pd
import pytest
from making import a_result
from small_runs import spec

from nanocl.api.results import Results
from nanocl.cli.commandline import Call
from nanocl.measurement import runs
from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols.request import Request
from nanocl.records import RunFailure, RunResult, UserError, store
from nanocl.records.measuring import Measuring
from nanocl.records.reservations import Reservations


def call(folder, evaluate="seen", track_every=0, **values):
    measuring = Measuring(evaluate, track_every)
    return Call(Request(), results_root=folder, measuring=measuring, **values)


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


def test_a_run_keeps_the_tests_of_its_own_record_and_takes_none_from_another_run(tmp_path):
    todo = [spec("sgd", seed=seed) for seed in (0, 1, 2)]
    for run, interval in zip(todo, (2, 3), strict=False):
        runs.measure([run], 1, call(tmp_path, "seen", interval), INSTALLED)
    runs.measure(todo, 3, call(tmp_path, "all"), INSTALLED)
    stored = [store.find(run, tmp_path) for run in todo]
    assert [result.evaluate for result in stored] == ["all"] * 3
    assert [result.tracking.get("every", 0) for result in stored] == [2, 3, 0]


@pytest.mark.parametrize("force", [False, True])
def test_tests_that_another_call_records_meanwhile_are_kept(tmp_path, monkeypatch, force):
    run = spec("sgd")
    runs.measure([run], 1, call(tmp_path / "other", "last", 2), INSTALLED)
    theirs = store.find(run, tmp_path / "other")
    take = Reservations.take

    def take_after_the_other(self, wanted):
        if store.find(run, tmp_path) is None:
            store.save(theirs, tmp_path)
        return take(self, wanted)

    monkeypatch.setattr(Reservations, "take", take_after_the_other)
    outcomes = runs.measure([run], 1, call(tmp_path, "all", force=force), INSTALLED)
    stored = store.find(run, tmp_path)
    assert len(outcomes) == 1 and isinstance(outcomes[0], RunResult)
    assert (stored.evaluate, stored.tracking) == ("all", theirs.tracking)


def test_a_probe_stores_no_record_and_may_track_at_another_interval(tmp_path):
    run = spec("sgd")
    runs.measure([run], 1, call(tmp_path, "seen", 2), INSTALLED)
    before = store.find(run, tmp_path)
    runs.measure([run], 1, call(tmp_path, "seen", 3, probe=True), INSTALLED)
    assert runs.missing([run], call(tmp_path, probe=True)) == []
    assert store.find(run, tmp_path) == before


def curves(folder):
    """All logged points by digest and curve: steps and values."""
    frames = [pd.read_csv(file) for file in folder.glob("logs/csv/**/curves.csv")]
    return {
        key: [*rows[["step", "value"]].itertuples(index=False, name=None)]
        for key, rows in pd.concat(frames).groupby(["digest", "curve"])
    }


def test_the_curves_of_a_call_end_at_the_numbers_of_its_results(tmp_path, capsys):
    todo = [spec("sgd", seed=seed, scenario="class") for seed in (0, 1)]
    asked = call(tmp_path, log=("csv",))
    runs.complete(todo[:1], call(tmp_path), INSTALLED)  # measured already, without a log
    pinned, _ = runs.complete(todo, asked, INSTALLED)
    assert f"nanocl: curves are in {tmp_path / 'logs' / 'csv'} (" in capsys.readouterr().err
    logged = curves(tmp_path)
    stored = [store.find(run, tmp_path) for run in pinned]
    frame = Results(tuple(stored)).to_pandas().set_index("digest")
    for run in stored:
        digest = run.spec.digest
        for name in ("average_accuracy", "forgetting", "masked_accuracy", "backbone.relative"):
            assert logged[digest, name][-1] == (5, frame.loc[digest, name])
        for j in range(5):
            rows = [(0, run.initial[j])]
            rows += [(i + 1, run.evaluation[i][j]) for i in range(5)]
            rows = [row for row in rows if row[1] is not None]
            assert logged[digest, f"accuracy/experience_{j + 1}"] == rows
    now, before = stored[1].spec.digest, stored[0].spec.digest
    steps, losses = zip(*logged[now, "training/loss"], strict=True)
    assert steps[-1] == stored[1].cost.steps and min(losses) > 0
    assert (before, "training/loss") not in logged, "a record has no losses"
    runs.complete(todo, dataclasses.replace(asked, force=True), INSTALLED)
    again = curves(tmp_path)
    assert again[before, "training/loss"]
    assert {key: again[key] for key in logged} == logged, "each point once"


def test_a_logger_without_its_library_is_named_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [one for one in sys.modules if one.startswith("tensorboard.")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "nanocl.loggers.tensorboard", raising=False)
    with pytest.raises(UserError, match="--log tensorboard needs the package tensorboard"):
        runs.complete([spec("sgd")], call(tmp_path, log=("tensorboard",)), INSTALLED)
    assert not [*tmp_path.iterdir()]
