"""Curves for MLflow; needs the extra `nanocl[mlflow]`.

In a database in the folder, unless MLFLOW_TRACKING_URI names another place.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from nanocl.loggers.facts import owner
from nanocl.loggers.kinds import Facts, Kind
from nanocl.records.curves import Point

EXPERIMENT = "nanocl"
MOST = 1000  # metrics that MLflow takes at once
LONGEST = 500  # characters of a value that every version of MLflow takes
Tags = dict[str, str]


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
    elsewhere = os.environ.get("MLFLOW_TRACKING_URI", "")
    place = elsewhere or database
    client = MlflowClient(tracking_uri=place)
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)

    def tags_of(facts: Facts) -> Tags:
        # others may log the same run on a server: theirs stay as they are
        ours = {"folder": owner(folder)} if elsewhere else {}
        return {"digest": str(facts["digest"]), **ours}

    def open_log(name: str, facts: Facts) -> _Run:
        return _Run(client, _run_of(client, experiment, name, facts, tags_of(facts)))

    def clear(_: str, facts: Facts) -> None:
        for run_id in _earlier(client, experiment, tags_of(facts)):
            client.delete_run(run_id)

    return Kind(
        open_log,
        _look(elsewhere, database),
        holds=lambda _, facts: bool(_earlier(client, experiment, tags_of(facts))),
        clear=clear,
        address=_without_password(elsewhere),
    )


def _look(elsewhere: str, database: str) -> str:
    if elsewhere.startswith(("http:", "https:")):
        return f"in its pages, experiment {EXPERIMENT}"
    # the variable, not its value: that may have a password
    place = '"$MLFLOW_TRACKING_URI"' if elsewhere else shlex.quote(database)
    return f"mlflow ui --backend-store-uri {place}"


def _without_password(address: str) -> str:
    """The address without the user's name and password, which is told and stored."""
    return re.sub(r"//[^/@]*@", "//", address)


def _earlier(client: MlflowClient, experiment: str, tags: Tags) -> list[str]:
    """The ids of runs with these tags; one, unless somebody else has added more."""
    wanted = " and ".join(f"tags.{name} = '{value}'" for name, value in tags.items())
    return [run.info.run_id for run in client.search_runs([experiment], wanted)]


def _run_of(client: MlflowClient, experiment: str, name: str, facts: Facts, tags: Tags) -> str:
    """The id of the run with these tags, or of a new one."""
    for earlier in _earlier(client, experiment, tags):
        return earlier
    run_id: str = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    params = [Param(key, str(value)[:LONGEST]) for key, value in facts.items()]
    client.log_batch(run_id, params=params)
    return run_id
