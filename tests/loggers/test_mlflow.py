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
