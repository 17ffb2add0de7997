"""The runs of a call: which are missing, and how they are measured and stored."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from nanocl.cli.commandline import Call
from nanocl.engine import local
from nanocl.measurement import engines
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import RunFailure, RunResult, RunSpec, files, measuring, probes, store
from nanocl.records.measuring import Measuring
from nanocl.records.reservations import Reservations
from nanocl.training import checkpoint_files, elsewhere
from nanocl.training.context import Context


def missing(runs: Sequence[RunSpec], asked: Call) -> list[RunSpec]:
    """Runs without a record, or without a probe if that is what the call is for."""
    if asked.probe:
        folder = probes.folder(asked.results_root)
        return [run for run in runs if not probes.path_of(run, folder).exists()]
    return store.missing(runs, asked.results_root, asked.measuring)


def name_damaged(todo: Sequence[RunSpec], asked: Call) -> None:
    """Say which records cannot be used and will be measured again."""
    for problem in store.damaged(todo, asked.results_root):
        print(f"nanocl: ignoring damaged record; re-running: {problem}", file=sys.stderr)


def measure(
    todo: Sequence[RunSpec], total: int, asked: Call, catalogue: Catalogue
) -> list[RunResult | RunFailure]:
    """Run what no other call runs at the moment; the outcomes of this call."""
    local.warm_up()
    from nanocl.cli.progress import Display  # here, because it loads rich

    asked = replace(asked, measuring=_measuring(todo, asked))
    checkpoints = asked.results_root / elsewhere.CHECKPOINTS
    files.sweep(checkpoints)
    context = Context(
        catalogue=catalogue,
        data_root=asked.data_root,
        device=asked.device,
        checkpoints=checkpoints,
        checkpoint_minutes=asked.checkpoint_minutes,
        probes=probes.folder(asked.results_root) if asked.probe else None,
        measuring=asked.measuring,
        vectorize=asked.machines.vectorize,
    )
    reservations = Reservations(
        checkpoints, lambda spec: not asked.force and not missing([spec], asked)
    )
    engine = engines.on_cluster if asked.machines.engine == "ray" else engines.here
    outcomes = []
    with (
        engine(todo, asked, context) as run_all,
        Display(todo, measured=total - len(todo)) as display,
        closing(run_all(todo, on_progress=display.update, reservations=reservations)) as running,
    ):
        for outcome in running:
            if not asked.probe:
                outcome = _stored(outcome, asked, checkpoints)
            outcomes.append(outcome)
            display.finish(outcome)
    return outcomes


def _measuring(todo: Sequence[RunSpec], asked: Call) -> Measuring:
    """What to measure: also what is measured in the records that will be replaced."""
    wanted = asked.measuring
    for run in todo:
        replaced = store.find(run, asked.results_root)
        if replaced:
            wanted = wanted.joined(measuring.of(replaced))
    return wanted


def _stored(
    outcome: RunResult | RunFailure,
    asked: Call,
    checkpoints: Path,
) -> RunResult | RunFailure:
    """The outcome; a failure if its record cannot be written, whose checkpoint then stays."""
    if isinstance(outcome, RunFailure):
        return outcome
    try:
        store.save(outcome, asked.results_root)
    except ValueError as error:
        return RunFailure(outcome.spec, f"measured, but not stored: {error}")
    checkpoint_files.delete(checkpoint_files.path_of(outcome.spec, checkpoints))
    return outcome
