"""Curves for MLflow; needs the extra `nanocl[mlflow]`.

In a database in the folder, unless MLFLOW_TRACKING_URI names another place.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from nanocl.loggers.kinds import Facts, Kind
from nanocl.records.curves import Point

EXPERIMENT = "nanocl"
MOST = 1000  # metrics that MLflow takes at once
LONGEST = 500  # characters of a value that every version of MLflow takes


class _Run:
    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._id = run_id

    def write(self, points: Sequence[Point]) -> None:
        now = int(1000 * time.time())
        metrics = [Metric(point.name, point.value, now, point.step) for point in points]
        for start in range(0, len(metrics), MOST):
            self._client.log_batch(self._id, metrics=metrics[start : start + MOST])

    def close(self) -> None:
        self._client.set_terminated(self._id)


def kind(folder: Path) -> Kind:
    """The logger that writes into a folder; a new database takes MLflow some seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{(folder / 'mlflow.db').absolute()}"
    place = os.environ.get("MLFLOW_TRACKING_URI", database)
    client = MlflowClient(tracking_uri=place)
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)

    def open_log(name: str, facts: Facts) -> _Run:
        return _Run(client, _run_of(client, experiment, name, facts))

    return Kind(open_log, f"mlflow ui --backend-store-uri {shlex.quote(place)}")


def _run_of(client: MlflowClient, experiment: str, name: str, facts: Facts) -> str:
    """The id of the run with the digest, or of a new one."""
    digest = str(facts["digest"])
    earlier = client.search_runs([experiment], f"tags.digest = '{digest}'")
    if earlier:
        found: str = earlier[0].info.run_id
        return found
    run_id: str = client.create_run(experiment, run_name=name, tags={"digest": digest}).info.run_id
    params = [Param(key, str(value)[:LONGEST]) for key, value in facts.items()]
    client.log_batch(run_id, params=params)
    return run_id
