"""Runs that MLflow's own client reads."""

import pytest

from nanocl.records.curves import Point

mlflow = pytest.importorskip("mlflow", reason="the extra nanocl[mlflow] is not installed")


def test_mlflow_reads_the_points_of_a_run_that_resumed(tmp_path, monkeypatch):
    from nanocl.loggers.mlflow import EXPERIMENT, kind

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    facts = {"strategy": "sgd", "seed": 0, "options": "lr=1 " * 500, "digest": "0123456789ab"}
    for step in (10, 20):
        log = kind(tmp_path).open("stream/sgd/s0", facts)
        log.write([Point("training/backbone.l2", step, step / 8)])
        log.close()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "stream/sgd/s0" and run.data.params["strategy"] == "sgd"
    history = client.get_metric_history(run.info.run_id, "training/backbone.l2")
    assert sorted((one.step, one.value) for one in history) == [(10, 1.25), (20, 2.5)]


def test_a_run_that_is_cleared_is_no_run_that_mlflow_shows(tmp_path, monkeypatch):
    from nanocl.loggers.mlflow import kind

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    facts = {"digest": "0123456789ab"}
    made = kind(tmp_path)
    assert not made.holds("s0", facts)
    made.open("s0", facts).close()
    assert made.holds("s0", facts) and not made.holds("s1", {"digest": "ba9876543210"})
    made.clear("s0", facts)
    assert not made.holds("s0", facts)


def test_on_a_server_only_the_runs_of_the_same_folder_are_replaced(tmp_path, monkeypatch):
    from nanocl.loggers.mlflow import kind

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'shared.db'}")
    facts = {"digest": "0123456789ab"}
    ours, theirs = kind(tmp_path / "ours"), kind(tmp_path / "theirs")
    theirs.open("s0", facts).close()
    assert not ours.holds("s0", facts)
    ours.clear("s0", facts)
    assert theirs.holds("s0", facts)
    ours.open("s0", facts).close()
    ours.clear("s0", facts)
    assert theirs.holds("s0", facts) and not ours.holds("s0", facts)
    assert kind(tmp_path / "theirs").holds("s0", facts)  # a later call goes on with it


def test_curves_on_a_server_are_told_to_be_there_without_the_users_password(tmp_path, monkeypatch):
    from nanocl.loggers.log import Log
    from nanocl.loggers.mlflow import _look, _without_password

    database = f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    log = Log.of(("mlflow",), tmp_path / "logs", [].append)
    look = 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'
    assert log.where() == f"curves are in {database} ({look})"
    assert _without_password("https://me:secret@host:5000/a@b") == "https://host:5000/a@b"
    assert _look("https://host:5000", database) == "in its pages, experiment nanocl"
