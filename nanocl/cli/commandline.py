"""The command line of `python -m nanocl.run`: from text to plain values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nanocl import __version__
from nanocl.cli import values
from nanocl.cli.arguments import Parser
from nanocl.cli.machines import THIS_ONE, Machines, add_arguments, machines
from nanocl.plugins.catalogue import INSTALLED
from nanocl.plugins.named import all_references, name_of
from nanocl.protocols.request import Request
from nanocl.records import SCENARIOS, TIERS, UserError
from nanocl.records.curves import LOGGERS
from nanocl.records.measuring import Measuring
from nanocl.records.ranges import device_of
from nanocl.records.roots import DataRoot, data_root_of
from nanocl.records.store import DEFAULT_ROOT

PROBE = "probe"
EPILOG = """\
examples:
  python -m nanocl.run                          digits, all core strategies, 3 seeds, 3 minutes
  python -m nanocl.run --stream split-cifar --data-root ~/data
  python -m nanocl.run --stream split-mnist --scenario task --strategy adam,sgd,ewc+adam --seeds 5
  python -m nanocl.run --strategy nanoadam --set nanoadam.lr=2e-3 --set training.epochs=5
  python -m nanocl.run --plugin my_strategy.py --strategy my-strategy
  python -m nanocl.run --stream teacher-student the whole study: all arms, figures, verdicts

Without --strategy, a protocol that has a study (teacher-student) runs its study.

exit codes: 0 all runs measured, 1 a run failed, 2 a mistake in the command, 130 interrupted
"""


@dataclass(frozen=True)
class Call:
    """One call of `python -m nanocl.run`.

    Attributes:
        request: What to run.
        plugin_files: Files with plugins of the caller.
        data_root: Folders of the data sets; None for the default.
        results_root: Folder of the results.
        machines: Where the runs are executed.
        device: `auto`, `cpu`, `cuda` or one GPU, such as `cuda:1`.
        checkpoint_minutes: Minutes between checkpoints within an experience; 0 for none within.
        probe: Whether to look at gradients and magnitudes while training.
        measuring: Which experiences are tested, and when; filled in when the protocol is read.
        only_list, dry_run, force: List plugins; print the runs; run what is measured again.
        full: Show all columns with their definitions.
        quiet: Show no progress.
        log: Loggers of curves, see `nanocl.loggers`.
    """

    request: Request
    plugin_files: tuple[Path, ...] = ()
    data_root: DataRoot = None
    results_root: Path = DEFAULT_ROOT
    machines: Machines = THIS_ONE
    device: str = "auto"
    checkpoint_minutes: float = 5.0
    probe: bool = False
    measuring: Measuring = field(default_factory=Measuring)
    only_list: bool = False
    dry_run: bool = False
    force: bool = False
    full: bool = False
    quiet: bool = False
    log: tuple[str, ...] = ()


def call(argv: Sequence[str] | None = None) -> Call:
    """What the command line asks for.

    Raises:
        UserError: A malformed value.
        SystemExit: After `--help`, `--version` or an unknown argument.
    """
    return call_of(parser().parse_args(argv))


def call_of(arguments: argparse.Namespace) -> Call:
    """The call that the arguments of `parser` describe.

    Raises:
        UserError: A malformed value.
    """
    if not 0 <= arguments.checkpoint_minutes < math.inf:
        raise UserError(
            "--checkpoint-minutes must be at least 0 (0: only after experiences), got "
            f"{arguments.checkpoint_minutes}"
        )
    device_of(arguments.device)
    settings = values.settings(arguments.settings)
    if arguments.epochs:
        settings.setdefault("training", {})["epochs"] = arguments.epochs
    probe = values.probing(settings.pop(PROBE, {}))
    known = {*INSTALLED.plugins("strategies"), *map(name_of, arguments.plugin)}
    strategies, found = all_references(values.strategies(arguments.strategy), known)
    backbones = {*INSTALLED.plugins("models"), *map(name_of, arguments.plugin)}
    (model,), own_model = all_references([arguments.model], backbones)
    streams = {*INSTALLED.plugins("streams"), *map(name_of, arguments.plugin)}
    (arguments.stream,), own_stream = all_references([arguments.stream], streams)
    return Call(
        request=_request(arguments, strategies, model, values.by_name(settings, known)),
        plugin_files=(*arguments.plugin, *found, *own_model, *own_stream),
        data_root=data_root_of(arguments.data_root),
        results_root=arguments.results,
        machines=machines(arguments),
        device=arguments.device,
        checkpoint_minutes=arguments.checkpoint_minutes,
        probe=probe,
        only_list=arguments.list,
        dry_run=arguments.dry_run,
        force=arguments.force,
        full=arguments.full,
        log=values.loggers(arguments.log.split(",") if arguments.log else ()),
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        "python -m nanocl.run",
        description="Train learners on a stream of tasks and print accuracy, forgetting, "
        "parameter drift and cost.",
        epilog=EPILOG,
    )
    add_runs(p)
    _add_seeds(p)
    add_how(p)
    _add_tests(p)
    p.add_argument("--version", action="version", version=f"nanocl {__version__}")
    return p


def add_runs(p: argparse.ArgumentParser) -> None:
    """Add the arguments that say what is run."""
    p.add_argument(
        "--stream",
        default="split-digits",
        help="protocol or stream to run (see --list), a TOML file, or FILE.py with your stream",
    )
    p.add_argument(
        "--strategy",
        default="",
        metavar="A,B,C+D",
        help="strategies, composed with +; also FILE.py:CLASS, MODULE:CLASS and avalanche:PLUGIN; "
        "default: the protocol's",
    )
    p.add_argument(
        "--scenario",
        default="",
        help=f"{'|'.join(SCENARIOS)} incremental; default: the protocol's",
    )
    p.add_argument(
        "--tier",
        default="cpu",
        help=f"{'|'.join(TIERS)}: seconds, minutes on 2 cores, as published",
    )

    _add_options(p)


def _add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PART.OPTION=VALUE",
        dest="settings",
        help="an option of stream, model, training or a strategy, or probe.magnitude=true; "
        "several values of an option of a strategy, separated by commas, are a run each; can be "
        "repeated",
    )
    p.add_argument(
        "--lr", default="", metavar="RATE", help="short for --set OPTIMIZER.lr=RATE; also A,B,C"
    )
    p.add_argument("--epochs", default="", metavar="N", help="short for --set training.epochs=N")
    p.add_argument(
        "--model",
        default="",
        help="backbone (see --list), such as slim-resnet18 or torchvision:resnet18; also FILE.py, "
        "or a class or function that makes one: FILE.py:NAME, MODULE:NAME",
    )
    p.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a file with your own strategy, stream or model; can be repeated",
    )


def add_how(p: argparse.ArgumentParser) -> None:
    """Add the arguments that say how and where it is run."""
    p.add_argument(
        "--data-root",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="folder with the data sets; can be repeated: searched in this order; default: "
        "$NANOCL_DATA_ROOT, ./data",
    )
    p.add_argument(
        "--results",
        type=Path,
        default=DEFAULT_ROOT,
        metavar="DIR",
        help="default: results",
    )
    add_arguments(p)
    p.add_argument(
        "--device",
        default="auto",
        metavar="auto|cpu|cuda|cuda:N",
        help="default: auto; cuda: all GPUs of the machine, cuda:1: that one",
    )
    p.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=5.0,
        metavar="M",
        help="how much training an interruption loses at most; 0: the experience; default: 5",
    )


def _add_seeds(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--seeds",
        default="",
        metavar="N|A,B,C",
        help="3 = seeds 0-2; a list: 0,4,7; one seed: 5,",
    )


def _add_tests(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--evaluate",
        default="",
        metavar="all|seen|last|every:K",
        help="experiences tested after each: all (forward transfer needs it), those trained so "
        "far, the last, or as seen after every K-th; default: the protocol's, mostly seen",
    )
    p.add_argument(
        "--track-every",
        type=int,
        default=0,
        metavar="K",
        help="also test within experiences, every K mini-batches: online accuracy, stability gap",
    )
    p.add_argument(
        "--list",
        action="store_true",
        help="list streams, strategies and models with their options",
    )
    p.add_argument(
        "--dry-run",
        action="store_true",
        help="print the runs and which are measured already; train none",
    )
    p.add_argument("--force", action="store_true", help="repeat runs that are measured already")
    p.add_argument(
        "--log",
        default="",
        metavar="A,B",
        help=f"curves of loss, accuracy and drift for {', '.join(LOGGERS)}",
    )
    p.add_argument("--full", action="store_true", help="show every column with its definition")


def _request(
    arguments: argparse.Namespace,
    strategies: tuple[str, ...],
    model: str,
    settings: Mapping[str, Mapping[str, str]],
) -> Request:
    return Request(
        stream=arguments.stream,
        strategies=strategies,
        seeds=values.seeds(arguments.seeds),
        scenario=arguments.scenario,
        tier=arguments.tier,
        model=model,
        settings=settings,
        lr=arguments.lr,
        evaluate=arguments.evaluate,
        track_every=arguments.track_every,
    )
