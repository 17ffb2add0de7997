"""Runs that only pretend: workers import them by name, which they cannot do from a test file."""

import os
import time
from dataclasses import replace
from pathlib import Path

from making import a_result, a_spec

from nanocl.records import Notice, Progress, SavedFile
from nanocl.records.reservations import Reservations


def run_one(spec, tell):
    """What the strategy's name says."""
    name, _, where = spec.strategy_name.partition("@")
    if name == "raises":
        raise ValueError("no such thing")
    if name == "exits":
        raise SystemExit(3)
    if name == "dies" or (name == "dies-once" and not Path(where).exists()):
        if where:
            Path(where).touch()
        os._exit(9)
    if name == "tells-gpu":
        tell(Notice(spec.digest, f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}"))
        time.sleep(0.2)  # else one worker could take all runs
    if name == "sleeps":
        Path(where).write_text(str(os.getpid()))
        time.sleep(60)
    tell(Progress(spec.digest, 1, 1, 1, 1, 0.5, 1.0))
    return a_result(spec)


def run_on_cluster(spec, tell, contents, fetch, workers):
    """As `run_one`, for the engine of a cluster."""
    if spec.strategy_name == "echoes":
        for path, content in {**contents, **fetch()}.items():
            tell(SavedFile(spec.digest, path, content))

    def tell_more(message):
        tell(replace(message, text=f"{message.text} {workers}") if is_notice(message) else message)

    return run_one(spec, tell_more)


def is_notice(message):
    return isinstance(message, Notice)


def hold(folder, connection):
    """Another process that reserves the run, says so, and dies when it is told."""
    reservations = Reservations(folder, lambda spec: False)
    connection.send(reservations.take(a_spec()))
    connection.recv()
    os._exit(1)


def run_group(specs, tell):
    """As `run_one` for each; `dies-grouped` dies in the second run of a group."""
    for number, spec in enumerate(specs):
        if number == 1 and spec.strategy_name == "dies-grouped":
            os._exit(9)
        yield run_one(spec, tell)
