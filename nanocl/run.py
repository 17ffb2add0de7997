"""Command line: `python -m nanocl.run` trains learners on a stream and shows the tables."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from nanocl import studies
from nanocl.cli import failures, listing, signals
from nanocl.cli.commandline import Call, call
from nanocl.engine import calls, local, processes
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.pinning import pin
from nanocl.protocols.shards import WHOLE
from nanocl.records import (
    Notice,
    RunFailure,
    RunResult,
    RunSpec,
    UserError,
    files,
    measuring,
    probes,
    store,
)
from nanocl.records.measuring import Measuring
from nanocl.records.reservations import Reservations
from nanocl.reporting import tables
from nanocl.studies import command
from nanocl.training import checkpoint_files, elsewhere, entry
from nanocl.training.context import Context
from nanocl.training.devices import Devices

RunAll = Callable[..., Generator[RunResult | RunFailure]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is not measured yet and print the tables; returns the exit code."""
    try:
        with signals.as_interrupts():
            return _call(call(argv))
    except (UserError, OSError) as error:
        return failures.exit_code(error)
    except KeyboardInterrupt as interrupt:
        print(
            "nanocl: interrupted; measured runs are kept and the next call resumes the others",
            file=sys.stderr,
        )
        return signals.exit_code(interrupt)


def _call(asked: Call) -> int:
    catalogue = Catalogue(asked.plugin_files)
    if asked.only_list:
        print(listing.plugins(catalogue))
        return 0
    strategies = asked.request.strategies
    study = None if strategies else studies.find(asked.request.stream, catalogue)
    if study:
        return command.run(study, asked)
    return _run(asked, catalogue)


def _run(asked: Call, catalogue: Catalogue) -> int:
    failures.show_own_warnings_only()
    grid = suite.specs(asked.request, catalogue)  # imports a library's adapter to know its options
    runs = asked.machines.shard.of(grid)
    if asked.machines.shard != WHOLE:
        print(listing.shard_line(asked.machines.shard, runs, grid), file=sys.stderr)
    if not runs:  # more shards than runs; the folder is made, so that it can be merged
        store.check_writable(asked.results_root)
        return 0
    asked = replace(asked, measuring=suite.measuring(asked.request, catalogue))
    if asked.dry_run:
        return _dry_run(runs, asked, catalogue)
    runs = pin(runs, asked.data_root)
    store.check_writable(asked.results_root)
    todo = runs if asked.force else _missing(runs, asked)
    if not asked.probe:
        _name_damaged(todo, asked)
    outcomes = _train(todo, len(runs), asked, catalogue) if todo else []
    failed = [outcome for outcome in outcomes if isinstance(outcome, RunFailure)]
    _show(runs, len(outcomes) - len(failed), asked)
    for failure in failed:
        print(f"nanocl: {listing.label(failure.spec)} failed: {failure.error}", file=sys.stderr)
    return 1 if failed else 0


def _show(runs: Sequence[RunSpec], measured_now: int, asked: Call) -> None:
    if asked.probe:
        probed = len(runs) - len(_missing(runs, asked))
        print(
            f"{probed} of {len(runs)} runs probed, {measured_now} of them now, in "
            f"{probes.folder(asked.results_root)}; python -m nanocl.report draws the figures"
        )
        return
    stored = (store.find(run, asked.results_root) for run in runs)
    results = [result for result in stored if result is not None]
    if results:
        width = max(60, shutil.get_terminal_size((100, 24)).columns)
        print(tables.text(tables.summarise(results), width))
    print(
        f"{len(results)} of {len(runs)} runs measured, {measured_now} of them now; records in "
        f"{asked.results_root / 'runs'}; python -m nanocl.report writes tables and leaderboard"
    )


def _missing(runs: Sequence[RunSpec], asked: Call) -> list[RunSpec]:
    """Runs without a record, or without a probe if that is what the call is for."""
    if asked.probe:
        folder = probes.folder(asked.results_root)
        return [run for run in runs if not probes.path_of(run, folder).exists()]
    return store.missing(runs, asked.results_root, asked.measuring)


def _name_damaged(todo: Sequence[RunSpec], asked: Call) -> None:
    for problem in store.damaged(todo, asked.results_root):
        print(f"nanocl: ignoring damaged record; re-running: {problem}", file=sys.stderr)


def _train(
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
    )
    reservations = Reservations(
        checkpoints, lambda spec: not asked.force and not _missing([spec], asked)
    )
    engine = _on_cluster if asked.machines.engine == "ray" else _here
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


@contextmanager
def _here(todo: Sequence[RunSpec], asked: Call, context: Context) -> Iterator[RunAll]:
    """The engine of this machine, after each different learner was built once as a check."""
    devices = _checked(todo, context)
    if asked.machines.runs_per_gpu > 1 and not devices.gpus:
        print("nanocl: --runs-per-gpu has no effect, the runs are on the CPU", file=sys.stderr)
    threads = todo[0].training.threads
    automatic = devices.workers(processes.cores(), threads, asked.machines.runs_per_gpu)
    workers = min(asked.machines.workers or automatic, len(todo))
    run_one = functools.partial(
        entry.run_one, context=replace(context, device=devices.kind, workers=workers)
    )
    yield functools.partial(local.run_all, run_one, workers=workers, gpus=devices.gpus)


@contextmanager
def _on_cluster(todo: Sequence[RunSpec], asked: Call, context: Context) -> Iterator[RunAll]:
    """The engine of a Ray cluster, after the same check here."""
    try:
        from nanocl.engine import ray, ray_machines
    except ImportError as error:
        raise UserError(
            f"--engine ray needs the package ray; pip install 'nanocl[ray]' ({error})"
        ) from error
    with ray_machines.connected(asked.machines.address):
        _checked(todo, replace(context, device="cpu"))
        device = ray_machines.device(context.device)
        workers = min(asked.machines.workers or len(todo), len(todo))
        contents = elsewhere.data_files(todo, asked.data_root)
        cluster = ray.Cluster(
            functools.partial(elsewhere.checkpoint_of, results_root=asked.results_root),
            functools.partial(elsewhere.keep, results_root=asked.results_root),
            shared=contents,
            runs_per_gpu=asked.machines.runs_per_gpu if device == "cuda" else 0,
        )
        data_root = asked.data_root and asked.data_root.expanduser().absolute()
        context = replace(context, device=device, workers=workers, data_root=data_root)
        run_one = elsewhere.Elsewhere(context, elsewhere.key_of(contents))
        yield functools.partial(cluster.run_all, run_one, workers=workers)


def _checked(todo: Sequence[RunSpec], context: Context) -> Devices:
    # in a worker, because it loads torch and the code of plugins
    return calls.call(entry.check, todo, context, on_notice=_show_notice)


def _measuring(todo: Sequence[RunSpec], asked: Call) -> Measuring:
    """What to measure: also what is measured in the records that will be replaced."""
    wanted = asked.measuring
    for run in todo:
        replaced = store.find(run, asked.results_root)
        if replaced:
            wanted = wanted.joined(measuring.of(replaced))
    return wanted


def _show_notice(notice: Notice) -> None:
    print(f"nanocl: {notice.text}", file=sys.stderr)


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


def _dry_run(runs: Sequence[RunSpec], asked: Call, catalogue: Catalogue) -> int:
    note = ""
    try:
        runs = pin(runs, asked.data_root, download=False)
        todo = _missing(runs, asked)
        _name_damaged(todo, asked)
    except store.OtherFormat:
        raise
    except UserError as error:
        todo = list(runs)
        note = f"nanocl: {error}"
    missing = {run.digest for run in todo}
    for run in runs:
        state = "to run" if run.digest in missing else "measured"
        print(listing.line(run, state))
    if any("norms" in str(part.options.get("dense")) for run in runs for part in run.strategy):
        from nanocl.footprint.dense import dense_lines  # here, because it builds models

        print(*dense_lines(runs, catalogue), sep="\n")
    first = runs[0]
    print(
        f"{len(runs)} runs, {len(runs) - len(missing)} measured; protocol {first.protocol_hash}: "
        f"{first.protocol}, tier {first.tier}, {first.scenario}-incremental"
    )
    if note:
        print(note, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
