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

from nanocl import __version__, registry, store, suite, tables
from nanocl.engine import local
from nanocl.records import SCENARIOS, TIERS, RunFailure, RunResult, RunSpec, UserError

EPILOG = """\
examples:
  python -m nanocl.run                                     digits, every core strategy, 3 seeds, under 3 minutes
  python -m nanocl.run --stream split-cifar --data-root ~/data
  python -m nanocl.run --stream split-mnist --scenario task --strategy adam,sgd,ewc+adam --seeds 5
  python -m nanocl.run --strategy nanoadam --set nanoadam.lr=2e-3 --set training.epochs=5
  python -m nanocl.run --plugin my_strategy.py --strategy my-strategy

exit codes: 0 all runs measured, 1 some run failed, 2 a mistake in the call, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run what is not measured yet, print the tables; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.list:
            print(listing(arguments.plugin))
            return 0
        return _run(arguments)
    except UserError as error:
        print(f"nanocl: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("nanocl: interrupted; measured runs are kept and the next call goes on from there", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser("python -m nanocl.run", description="Train learners on a stream of tasks and print "
                                "accuracy, forgetting, parameter drift and cost.", epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stream", default="split-digits", help="protocol or stream to run (see --list), or a TOML file")
    p.add_argument("--strategy", default="", metavar="A,B,C+D", help="strategies, + composes; default: the protocol's")
    p.add_argument("--seeds", default="", metavar="N|A,B,C", help="`3` is seeds 0,1,2; `0,4,7` or `5,` are these")
    p.add_argument("--scenario", default="", help=f"{'|'.join(SCENARIOS)} incremental; default: the protocol's")
    p.add_argument("--tier", default="cpu", help=f"{'|'.join(TIERS)}: seconds, minutes on 2 cores, as published")
    p.add_argument("--set", action="append", default=[], metavar="PART.OPTION=VALUE", dest="settings",
                   help="an option of stream, model, training or a strategy; may be repeated")
    p.add_argument("--model", default="", help="backbone (see --list), e.g. slim-resnet18 or torchvision:resnet18")
    p.add_argument("--data-root", type=Path, help="folder with the data sets; default: $NANOCL_DATA_ROOT, ./data")
    p.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    p.add_argument("--workers", type=int, default=0, metavar="N", help="runs at a time; default: one per core")
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    p.add_argument("--plugin", action="append", default=[], type=Path, metavar="FILE",
                   help="a file with a strategy, stream or model of yours; may be repeated")
    p.add_argument("--list", action="store_true", help="streams, strategies and models with their options")
    p.add_argument("--dry-run", action="store_true", help="print the runs and which are already measured; train none")
    p.add_argument("--force", action="store_true", help="run again what is already measured")
    p.add_argument("--version", action="version", version=f"nanocl {__version__}")
    return p


def request(arguments: argparse.Namespace) -> suite.Request:
    """What the command line asks for, as plain values.

    Raises:
        UserError: A malformed --seeds or --set.
    """
    settings: dict[str, dict[str, str]] = {}
    for text in arguments.settings:
        target, equals, value = text.partition("=")
        part, dot, option = target.rpartition(".")
        if not (equals and dot and part and option):
            raise UserError(f"--set takes PART.OPTION=VALUE, such as nanoadam.lr=2e-3, got {text!r}")
        settings.setdefault(part.strip(), {})[option.strip()] = value.strip()
    return suite.Request(
        stream=arguments.stream, strategies=tuple(filter(None, arguments.strategy.replace(" ", "").split(","))),
        seeds=seeds(arguments.seeds), scenario=arguments.scenario, tier=arguments.tier, model=arguments.model,
        settings=settings, plugins=tuple(arguments.plugin),
    )


def seeds(text: str) -> tuple[int, ...]:
    """`3` is (0, 1, 2); `0,4,7` is (0, 4, 7); nothing is ().

    Raises:
        UserError: Anything else.
    """
    try:
        values = [int(item) for item in text.split(",") if item.strip()]
    except ValueError:
        values = [-1]
    if not text:
        return ()
    if "," not in text and values[0] > 0:
        return tuple(range(values[0]))
    if not values or min(values) < 0 or max(values) >= 2**31 or "," not in text:
        raise UserError(f"--seeds takes a number of seeds such as 3, or a list below 2^31 such as 0,4,7, got {text!r}")
    return tuple(dict.fromkeys(values))


def listing(plugins: Sequence[Path] = ()) -> str:
    """Everything that can be named on the command line."""
    lines = ["streams (--stream)"]
    for name, protocol in suite.protocols().items():
        aliases = "".join(f", {alias}" for alias in protocol.get("aliases", ()))
        lines.append(f"  {name + aliases:<28} {protocol.get('title', '')}; tiers: {', '.join(protocol['tier'])}")
    for kind, title in (("streams", "stream families (options: --set stream.x=…)"),
                        ("strategies", "strategies (--strategy)"), ("models", "models (--model; --set model.x=…)")):
        lines += ["", title]
        for plugin in registry.plugins(kind, plugins).values():
            lines.append(f"  {plugin.name:<28} {plugin.summary}")
            if plugin.options:
                lines.append(" " * 31 + ", ".join(f"{n}={v[1]}" for n, v in plugin.options.items()))
    return "\n".join(lines)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.workers < 0:
        raise UserError(f"--workers must be at least 1, or 0 for one per core, got {arguments.workers}")
    runs = suite.specs(request(arguments))
    if arguments.dry_run:
        return _dry_run(runs, arguments)
    runs = suite.pin(runs, arguments.data_root)
    store.check_writable(arguments.results)
    todo = runs if arguments.force else store.missing(runs, arguments.results)
    failures = _train(todo, len(runs), arguments) if todo else []
    found = [result for run in runs if (result := store.find(run, arguments.results)) is not None]
    if found:
        print(tables.text(tables.summarise(found), max(60, shutil.get_terminal_size((100, 24)).columns)))
    print(f"{len(found)} of {len(runs)} runs measured, {len(todo) - len(failures)} of them now; "
          f"records in {arguments.results / 'runs'}; python -m nanocl.report writes tables and leaderboard")
    for failure in failures:
        print(f"nanocl: {_label(failure.spec)} failed: {failure.error}", file=sys.stderr)
    return 1 if failures else 0


def _train(todo: Sequence[RunSpec], total: int, arguments: argparse.Namespace) -> list[RunFailure]:
    # what Avalanche's own imports warn of is no concern of the caller's; the environment reaches the workers
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    warnings.simplefilter("ignore")
    local.warm_up()
    from nanocl import experiment  # here, because it loads torch: the calls that train nothing stay quick
    from nanocl.progress import Display

    device = experiment.choose_device(arguments.device)
    workers = arguments.workers or (1 if device == "cuda" else _cores() // todo[0].training.threads)
    workers = max(1, min(workers, len(todo)))
    experiment.check(todo, data_root=arguments.data_root, plugins=arguments.plugin)
    run_one = functools.partial(
        experiment.run_one, data_root=arguments.data_root, device=device, plugins=tuple(arguments.plugin),
        workers=workers, partial=arguments.results / ".part",
    )
    failures = []
    with Display(todo, measured=total - len(todo)) as display:
        for outcome in local.run_all(run_one, todo, workers=workers, on_progress=display.update):
            if isinstance(outcome, RunResult):
                store.save(outcome, arguments.results)
            else:
                failures.append(outcome)
            display.finish(outcome)
    return failures


def _dry_run(runs: Sequence[RunSpec], arguments: argparse.Namespace) -> int:
    note = ""
    try:
        runs = suite.pin(runs, arguments.data_root, download=False)
        missing = {run.digest for run in store.missing(runs, arguments.results)}
    except UserError as error:
        missing, note = {run.digest for run in runs}, f"nanocl: {error}"
    for run in runs:
        state = "to run" if run.digest in missing else "measured"
        print(f"{state:<9} {run.digest}  {_label(run)}  {_options(run)}")
    print(f"{len(runs)} runs, {len(runs) - len(missing)} measured; protocol {runs[0].protocol_hash}: "
          f"{runs[0].benchmark}, tier {runs[0].tier}, {runs[0].scenario}-incremental")
    if note:
        print(note, file=sys.stderr)
    return 0


def _label(run: RunSpec) -> str:
    return f"{run.benchmark} {run.strategy_name} seed {run.seed}"


def _options(run: RunSpec) -> str:
    return " ".join(f"{part.name}.{name}={value}" for part in run.strategy for name, value in part.options.items())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
