"""Published records of the digits, and the same as plain JSON."""

import json
from functools import cache
from pathlib import Path

from nanocl.api.results import Results
from nanocl.records import store

RESULTS = Path(__file__).parents[1] / "results"
LEARNERS = ("adamw", "er", "joint")


@cache
def results() -> Results:
    """Class-incremental runs of three learners with 2 seeds each."""
    runs = []
    for learner in LEARNERS:
        stored, _ = store.load_folder(RESULTS / "runs" / "split-digits" / learner, RESULTS)
        chosen = [run for run in stored if run.spec.scenario == "class" and run.spec.seed < 2]
        newest = max(part.version for run in chosen for part in run.spec.strategy)
        runs += [run for run in chosen if run.spec.strategy[0].version == newest]
    return Results(tuple(runs))


def record(run) -> dict:
    """The record of a run as any JSON reader has it."""
    return json.loads(store.path_of(run.spec, RESULTS).read_text(encoding="utf-8"))
