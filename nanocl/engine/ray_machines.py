"""The machines of a Ray cluster: the connection to them, their versions and their size."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nanocl.engine.versions import difference, versions
from nanocl.records import UserError

PATIENCE = 120.0  # seconds for an answer of every machine


@contextmanager
def connected(address: str) -> Iterator[None]:
    """A connection to the cluster at `auto` or `HOST:PORT` for the block.

    Raises:
        UserError: There is no cluster, or it has other versions of Python or Ray.
    """
    _check_address(address)
    try:
        with _signals_kept():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise _unreachable(address, one_line(error)) from error
    try:
        yield
    finally:
        ray.shutdown()


def device(asked: str) -> str:
    """`cpu` or `cuda`; `auto` takes GPUs if a machine of the cluster has one.

    Raises:
        UserError: `cuda` without a GPU in the cluster.
    """
    if ":" in asked:
        raise UserError(f"--device {asked} names a GPU of this machine; with --engine ray use cuda")
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    if asked == "auto":
        return "cuda" if has_gpus else "cpu"
    if asked == "cuda" and not has_gpus:
        raise UserError(
            "--device cuda: no machine of the Ray cluster has a GPU; use --device cpu, or start "
            "machines with: ray start --num-gpus"
        )
    return asked


def check() -> None:
    """Refuse machines with other versions, or without nanocl.

    Raises:
        UserError: With the address of the machine and what it has.
    """

    def ask() -> Mapping[str, str]:  # in a function, so that Ray sends its code
        try:
            from nanocl.engine import versions as installed
        except ImportError:
            return {}
        return installed.versions()

    task = ray.remote(num_cpus=0, max_retries=0)(ask)
    asked = {
        task.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(): node["NodeManagerAddress"]
        for node in machines()
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=PATIENCE)
    for answer in silent:
        raise UserError(f"the machine {asked[answer]} of the Ray cluster does not answer")
    for answer in answered:
        there = ray.get(answer)
        differs = difference(versions(), there) if there else "no nanocl of this version"
        if differs:
            raise UserError(
                f"the machine {asked[answer]} of the Ray cluster has {differs}; install the same "
                "versions on every machine"
            )


def machines() -> list[dict[str, Any]]:
    """The machines that are alive, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def slots_of(node: Mapping[str, Any], threads: int, runs_per_gpu: int) -> int:
    """How many runs of so many threads a machine takes; 0 `runs_per_gpu` is for runs on CPUs."""
    has = node["Resources"]
    cores = int(has.get("CPU", 0) // threads)
    return min(cores, int(has.get("GPU", 0) * runs_per_gpu)) if runs_per_gpu else cores


def _check_address(address: str) -> None:
    """Refuse an address where nothing listens; Ray itself would try for a minute."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, reason: str) -> UserError:
    return UserError(
        f"no Ray cluster can be used at --address {address} ({reason}); start one with: ray start "
        "--head, and call from one of its machines"
    )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep our handlers of signals, which Ray replaces when it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def one_line(error: Exception) -> str:
    """The message of an error on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
