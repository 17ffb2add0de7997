"""Command line: `python -m nanocl.run` trains learners on a stream and shows the tables.

In Python, `nanocl.run(...)` does the same and returns the results, see `nanocl.api.running.run`.
"""

from __future__ import annotations

import inspect
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from nanocl import studies
from nanocl.api import running
from nanocl.api.results import Results
from nanocl.cli import failures, listing, signals
from nanocl.cli.commandline import Call, call
from nanocl.measurement import runs as measurement
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.pinning import pin
from nanocl.protocols.shards import WHOLE
from nanocl.records import RunFailure, RunSpec, UserError, probes, store
from nanocl.reporting import screen, tables
from nanocl.studies import command


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
        if not asked.dry_run:
            store.check_writable(asked.results_root)
        return 0
    asked = replace(asked, measuring=suite.measuring(asked.request, catalogue))
    if asked.dry_run:
        return _dry_run(runs, asked, catalogue)
    runs, outcomes = measurement.complete(runs, asked, catalogue)
    failed = [outcome for outcome in outcomes if isinstance(outcome, RunFailure)]
    _show(runs, len(outcomes) - len(failed), asked)
    for failure in failed:
        print(f"nanocl: {listing.label(failure.spec)} failed: {failure.error}", file=sys.stderr)
    return 1 if failed else 0


def _show(runs: Sequence[RunSpec], measured_now: int, asked: Call) -> None:
    report = listing.report_command(asked.results_root)
    if asked.probe:
        probed = len(runs) - len(measurement.missing(runs, asked))
        print(
            f"{probed} of {len(runs)} runs probed, {measured_now} of them now, in "
            f"{probes.folder(asked.results_root)}; {report} draws the figures"
        )
        return
    stored = (store.find(run, asked.results_root) for run in runs)
    results = [result for result in stored if result is not None]
    if results:
        width = max(60, shutil.get_terminal_size((100, 24)).columns)
        show = tables.text if asked.full else screen.screen
        print(show(tables.summarise(results), width))
    print(
        f"{len(results)} of {len(runs)} runs measured, {measured_now} of them now; records in "
        f"{asked.results_root / 'runs'}{listing.origin(results, measured_now, asked.results_root)}"
    )
    print(f"all columns: --full; tables, leaderboard and figures: {report}")


def _dry_run(runs: Sequence[RunSpec], asked: Call, catalogue: Catalogue) -> int:
    note = ""
    try:
        runs = pin(runs, asked.data_root, download=False)
        todo = measurement.missing(runs, asked)
        measurement.name_damaged(todo, asked)
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


class _Run(ModuleType):
    """This module, which `nanocl.run(...)` calls: command and function have one name."""

    __signature__ = inspect.signature(running.run)

    def __call__(self, *arguments: Any, **named: Any) -> Results:
        return running.run(*arguments, **named)

    __call__.__doc__ = running.run.__doc__


sys.modules[__name__].__class__ = _Run

if __name__ == "__main__":
    sys.exit(main())
