"""Door 1, `python -m nanocl.run`: train learners on a stream and show the tables."""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from nanocl import studies
from nanocl.cli.commandline import parser, probing, request, seeds
from nanocl.engine import local
from nanocl.plugins import registry
from nanocl.protocols import backbones, suite
from nanocl.records import RunFailure, RunSpec, UserError, store
from nanocl.reporting import tables
from nanocl.studies import mechanism


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run what is not measured yet, print the tables; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.list:
            print(listing(arguments.plugin))
            return 0
        if arguments.workers < 0:
            raise UserError(
                f"--workers must be at least 1, or 0 for one per core, got {arguments.workers}"
            )
        study = None if arguments.strategy else studies.find(arguments.stream, arguments.plugin)
        return _study(study, arguments) if study else _run(arguments)
    except UserError as error:
        print(f"nanocl: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "nanocl: interrupted; measured runs are kept and the next call goes on from there",
            file=sys.stderr,
        )
        return 130


def listing(plugins: Sequence[Path] = ()) -> str:
    """Everything that can be named on the command line."""
    lines = ["streams (--stream)"]
    for name, protocol in suite.protocols().items():
        aliases = "".join(f", {alias}" for alias in protocol.get("aliases", ()))
        lines.append(
            f"  {name + aliases:<28} {protocol.get('title', '')}; tiers: {', '.join(protocol['tier'])}"
        )
    for kind, title in (
        ("streams", "stream families (options: --set stream.x=…)"),
        ("strategies", "strategies (--strategy)"),
        ("models", "models (--model; --set model.x=…)"),
    ):
        lines += ["", title]
        for plugin in registry.plugins(kind, plugins).values():
            lines.append(f"  {plugin.name:<28} {plugin.summary}")
            if plugin.options:
                lines.append(" " * 31 + ", ".join(f"{n}={v[1]}" for n, v in plugin.options.items()))
    recipe = ", ".join(f"{name}={value}" for name, value in backbones.RECIPE.items())
    lines.append(
        f"  {'with weights= and none given':<28} pretrain=DATASET trains the backbone here first: {recipe}"
    )
    return "\n".join(lines)


def _run(arguments: argparse.Namespace) -> int:
    # what Avalanche's own imports warn of is no concern of the caller's; the environment reaches
    # the workers
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    warnings.simplefilter("ignore")
    runs = suite.specs(
        request(arguments)
    )  # a library's adapter is imported here, to know its options
    if arguments.dry_run:
        return _dry_run(runs, arguments)
    runs = suite.pin(runs, arguments.data_root)
    store.check_writable(arguments.results)
    if probing(arguments):
        return _probe(runs, arguments)
    todo = runs if arguments.force else _missing(runs, arguments)
    _name_damaged(todo, arguments.results)
    failures = _train(todo, len(runs), arguments) if todo else []
    found = [result for run in runs if (result := store.find(run, arguments.results)) is not None]
    if found:
        print(
            tables.text(
                tables.summarise(found), max(60, shutil.get_terminal_size((100, 24)).columns)
            )
        )
    print(
        f"{len(found)} of {len(runs)} runs measured, {len(todo) - len(failures)} of them now; "
        f"records in {arguments.results / 'runs'}; python -m nanocl.report writes tables and leaderboard"
    )
    for failure in failures:
        print(f"nanocl: {_label(failure.spec)} failed: {failure.error}", file=sys.stderr)
    return 1 if failures else 0


def _probe(runs: Sequence[RunSpec], arguments: argparse.Namespace) -> int:
    """Train with a probe. Only what it saw is kept: it takes time and memory, which a record must not show."""
    folder = arguments.results / "probes"
    todo = list(runs) if arguments.force else _missing(runs, arguments)
    failures = _train(todo, len(runs), arguments, probe=folder) if todo else []
    print(
        f"{len(runs) - len(failures)} of {len(runs)} runs probed, {len(todo) - len(failures)} of them now, in "
        f"{folder}; python -m nanocl.report draws what they saw"
    )
    for failure in failures:
        print(f"nanocl: {_label(failure.spec)} failed: {failure.error}", file=sys.stderr)
    return 1 if failures else 0


def _study(study: ModuleType, arguments: argparse.Namespace) -> int:
    for option, value in (
        ("--set", arguments.settings),
        ("--model", arguments.model),
        ("--scenario", arguments.scenario),
    ):
        if value:
            raise UserError(
                f"the study of {arguments.stream} takes no {option}; name strategies with --strategy to "
                "run them one by one"
            )
    asked = {"tier": arguments.tier, "seeds": seeds(arguments.seeds)}
    for path in study.damaged(arguments.results, **asked):
        print(f"nanocl: {path} cannot be read and is measured again", file=sys.stderr)
    if arguments.dry_run:
        rows = study.listing(arguments.results, **asked)
        for digest, words, measured in rows:
            print(f"{'measured' if measured else 'to run':<9} {digest}  {words}")
        print(f"{len(rows)} parts of the study, {sum(row[2] for row in rows)} measured")
        return 0
    from nanocl.cli.progress import StudyDisplay  # here, because it loads rich

    with StudyDisplay(f"study {arguments.stream}") as display:
        text = study.run(
            arguments.results,
            arguments.workers or _cores(),
            display.update,
            force=arguments.force,
            **asked,
        )
    print(text)
    return 0


def _missing(runs: Sequence[RunSpec], arguments: argparse.Namespace) -> list[RunSpec]:
    """Runs without a record, or without a probe where that is asked for."""
    if probing(arguments):
        return [run for run in runs if not mechanism.path_of(run, arguments.results).exists()]
    return store.missing(runs, arguments.results)


def _name_damaged(todo: Sequence[RunSpec], root: Path) -> None:
    """Say which records are there and cannot be trusted: their runs are measured again."""
    for problem in store.damaged(todo, root):
        print(f"nanocl: not used, its run is measured again: {problem}", file=sys.stderr)


def _train(
    todo: Sequence[RunSpec], total: int, arguments: argparse.Namespace, probe: Path | None = None
) -> list[RunFailure]:
    local.warm_up()
    from nanocl.cli.progress import Display
    from nanocl.training import (
        experiment,  # here, because it loads torch: the calls that train nothing stay quick
    )

    device = experiment.choose_device(arguments.device)
    workers = arguments.workers or (1 if device == "cuda" else _cores() // todo[0].training.threads)
    workers = max(1, min(workers, len(todo)))
    try:
        experiment.check(todo, data_root=arguments.data_root, plugins=arguments.plugin)
    except SystemExit as error:
        raise UserError(
            f"a plugin called sys.exit({error.code!r}); it should raise an error that says why"
        ) from error
    run_one = functools.partial(
        experiment.run_one,
        data_root=arguments.data_root,
        device=device,
        plugins=tuple(arguments.plugin),
        workers=workers,
        partial=arguments.results / ".part",
        probe=probe,
    )
    failures = []
    with Display(todo, measured=total - len(todo)) as display:
        for outcome in local.run_all(run_one, todo, workers=workers, on_progress=display.update):
            if isinstance(outcome, RunFailure):
                failures.append(outcome)
            elif not probe:
                store.save(outcome, arguments.results)
            display.finish(outcome)
    return failures


def _dry_run(runs: Sequence[RunSpec], arguments: argparse.Namespace) -> int:
    note = ""
    try:
        runs = suite.pin(runs, arguments.data_root, download=False)
        todo = _missing(runs, arguments)
        missing = {run.digest for run in todo}
        _name_damaged(todo, arguments.results)
    except UserError as error:
        missing, note = {run.digest for run in runs}, f"nanocl: {error}"
    for run in runs:
        state = "to run" if run.digest in missing else "measured"
        print(f"{state:<9} {run.digest}  {_label(run)}  {_options(run)}")
    print(
        f"{len(runs)} runs, {len(runs) - len(missing)} measured; protocol {runs[0].protocol_hash}: "
        f"{runs[0].benchmark}, tier {runs[0].tier}, {runs[0].scenario}-incremental"
    )
    if note:
        print(note, file=sys.stderr)
    return 0


def _label(run: RunSpec) -> str:
    return f"{run.benchmark} {run.strategy_name} seed {run.seed}"


def _options(run: RunSpec) -> str:
    return " ".join(
        f"{part.name}.{name}={value}"
        for part in run.strategy
        for name, value in part.options.items()
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
