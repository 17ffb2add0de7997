"""A Ray cluster on this machine, for tests."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MOST = 240  # seconds of a test


@contextmanager
def cluster_of(folder: Path, *machines: dict[str, Any]) -> Iterator[Any]:
    """A cluster of these machines; their caches are in a folder, and they know of no data."""
    before = dict(os.environ)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.environ.pop("NANOCL_DATA_ROOT", None)
    os.environ["PYTHONPATH"] = f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}"
    cluster = Cluster()
    try:
        for machine in machines:
            cluster.add_node(**{"num_gpus": 0, "object_store_memory": 2**27, **machine})
        yield cluster
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def at_most(seconds: int = MOST) -> Iterator[None]:
    """Fail after that time: Ray may wait for ever for a machine that does not come."""

    def end(number: int, frame: object) -> None:
        pytest.fail(f"it took more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
