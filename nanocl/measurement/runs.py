"""The runs of a call: which are missing, and how they are measured and stored."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from nanocl.cli.commandline import Call
from nanocl.engine import local
from nanocl.loggers.log import FOLDER, Log
from nanocl.measurement import engines
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols.pinning import pin
from nanocl.records import (
    RunFailure,
    RunResult,
    RunSpec,
    UserError,
    files,
    measuring,
    probes,
    store,
)
from nanocl.records.curves import Message, ResultSoFar, TrainingPoints
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


def complete(
    runs: Sequence[RunSpec], asked: Call, catalogue: Catalogue
) -> tuple[list[RunSpec], list[RunResult | RunFailure]]:
    """Measure those runs of a call that are not measured yet, or all with `force`.

    Returns:
        The runs with the fingerprints of their data, and the outcomes of this call.

    Raises:
        UserError: Data or the library of a logger is missing, the results folder cannot be written,
            or as in `measure`.
    """
    log = _log(asked)
    pinned = pin(runs, asked.data_root)
    store.check_writable(asked.results_root)
    todo = pinned if asked.force else missing(pinned, asked)
    if not asked.probe:
        name_damaged(todo, asked)
    if log is None:
        return pinned, measure(todo, len(pinned), asked, catalogue) if todo else []
    with closing(log):
        outcomes = measure(todo, len(pinned), asked, catalogue, log) if todo else []
        measured_now = {one.spec.digest for one in outcomes if isinstance(one, RunResult)}
        for run in pinned:  # the records of earlier calls, and of others at the same time
            if run.digest not in measured_now and (record := store.find(run, asked.results_root)):
                log.record(record)
    if log.kinds and not asked.quiet:
        _say(log.where())
    return pinned, outcomes


def _log(asked: Call) -> Log | None:
    return Log.of(asked.log, asked.results_root / FOLDER, _say) if asked.log else None


def _say(sentence: str) -> None:
    print(f"nanocl: {sentence}", file=sys.stderr)


def measure(
    todo: Sequence[RunSpec],
    total: int,
    asked: Call,
    catalogue: Catalogue,
    log: Log | None = None,
) -> list[RunResult | RunFailure]:
    """Run what no other call runs at the moment; the outcomes of this call.

    Args:
        todo: The runs.
        total: Their number, with those that are measured already.
        asked, catalogue: The call.
        log: Takes the curves of the runs.

    Raises:
        UserError: A record that would be replaced has tests within experiences at another interval
            than the call asks for.
    """
    if "torch" not in sys.modules and not asked.quiet:
        print("nanocl: loading torch and Avalanche", file=sys.stderr, flush=True)
    local.warm_up()
    from nanocl.cli.progress import Display  # here, because it loads rich

    plan = _Plan(asked, {run.digest: _measuring(run, asked) for run in todo})
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
        replacing=plan.measuring,
        logs=log is not None,
    )
    reservations = Reservations(checkpoints, plan.needs_no_run)
    by_digest = {run.digest: run for run in todo}

    def show(message: Message) -> None:
        if not isinstance(message, TrainingPoints | ResultSoFar):
            display.update(message)
        elif log:
            log.take(by_digest[message.digest], message)

    engine = engines.on_cluster if asked.machines.engine == "ray" else engines.here
    outcomes = []
    with (
        engine(todo, asked, context) as run_all,
        Display(todo, measured=total - len(todo), quiet=asked.quiet) as display,
        closing(run_all(todo, on_progress=show, reservations=reservations)) as running,
    ):
        for outcome in running:
            if not asked.probe:
                outcome = _stored(outcome, asked, checkpoints)
            if log and isinstance(outcome, RunResult):
                log.record(outcome)
            outcomes.append(outcome)
            display.finish(outcome)
    again = plan.postponed if asked.force else missing(plan.postponed, asked)
    return outcomes + (measure(again, total, asked, catalogue, log) if again else [])


@dataclass
class _Plan:
    """Which experiences of each run are tested, and when; decided when the call begins.

    Attributes:
        asked: The call.
        measuring: By the digests of the runs.
        postponed: Runs of which another call has recorded other tests since then, which a run by
            this plan would lose.
    """

    asked: Call
    measuring: dict[str, Measuring]
    postponed: list[RunSpec] = field(default_factory=list)

    def needs_no_run(self, spec: RunSpec) -> bool:
        """Whether a run that was just reserved need not, or cannot, be run by this plan."""
        try:
            if self.measuring[spec.digest] == _measuring(spec, self.asked):
                return not self.asked.force and not missing([spec], self.asked)
        except UserError:  # the record cannot be replaced: the others are run first
            pass
        self.postponed.append(spec)
        return True


def _measuring(run: RunSpec, asked: Call) -> Measuring:
    """What to measure of a run: also what is measured in the record that it will replace."""
    replaced = None if asked.probe else store.find(run, asked.results_root)
    return asked.measuring.joined(measuring.of(replaced)) if replaced else asked.measuring


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
