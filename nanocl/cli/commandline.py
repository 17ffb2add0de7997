"""The command line of `python -m nanocl.run`: from text to plain values."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nanocl import __version__
from nanocl.protocols import suite
from nanocl.protocols.protocol import MOST_SEEDS
from nanocl.records import SCENARIOS, TIERS, UserError

PROBE = "probe"
EPILOG = """\
examples:
  python -m nanocl.run                                     digits, every core strategy, 3 seeds, under 3 minutes
  python -m nanocl.run --stream split-cifar --data-root ~/data
  python -m nanocl.run --stream split-mnist --scenario task --strategy adam,sgd,ewc+adam --seeds 5
  python -m nanocl.run --strategy nanoadam --set nanoadam.lr=2e-3 --set training.epochs=5
  python -m nanocl.run --plugin my_strategy.py --strategy my-strategy
  python -m nanocl.run --stream teacher-student            the whole study: every arm, figures, verdicts, 2 minutes

Without --strategy, a protocol with a study (teacher-student) runs its study.

exit codes: 0 all runs measured, 1 some run failed, 2 a mistake in the call, 130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        "python -m nanocl.run",
        description="Train learners on a stream of tasks and print "
        "accuracy, forgetting, parameter drift and cost.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--stream",
        default="split-digits",
        help="protocol or stream to run (see --list), or a TOML file",
    )
    p.add_argument(
        "--strategy",
        default="",
        metavar="A,B,C+D",
        help="strategies, + composes; default: the protocol's",
    )
    p.add_argument(
        "--seeds",
        default="",
        metavar="N|A,B,C",
        help="`3` is seeds 0,1,2; `0,4,7` or `5,` are these",
    )
    p.add_argument(
        "--scenario", default="", help=f"{'|'.join(SCENARIOS)} incremental; default: the protocol's"
    )
    p.add_argument(
        "--tier",
        default="cpu",
        help=f"{'|'.join(TIERS)}: seconds, minutes on 2 cores, as published",
    )
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PART.OPTION=VALUE",
        dest="settings",
        help="an option of stream, model, training or a strategy, or probe.magnitude=true; may be repeated",
    )
    p.add_argument(
        "--model",
        default="",
        help="backbone (see --list), e.g. slim-resnet18 or torchvision:resnet18",
    )
    p.add_argument(
        "--data-root",
        type=Path,
        help="folder with the data sets; default: $NANOCL_DATA_ROOT, ./data",
    )
    p.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="default: results"
    )
    p.add_argument(
        "--workers", type=int, default=0, metavar="N", help="runs at a time; default: one per core"
    )
    p.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto"
    )
    p.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a file with a strategy, stream or model of yours; may be repeated",
    )
    p.add_argument(
        "--list", action="store_true", help="streams, strategies and models with their options"
    )
    p.add_argument(
        "--dry-run",
        action="store_true",
        help="print the runs and which are already measured; train none",
    )
    p.add_argument("--force", action="store_true", help="run again what is already measured")
    p.add_argument("--version", action="version", version=f"nanocl {__version__}")
    return p


def request(arguments: argparse.Namespace) -> suite.Request:
    """What the command line asks for, as plain values.

    Raises:
        UserError: A malformed --seeds or --set.
    """
    settings = _settings(arguments.settings)
    settings.pop(PROBE, None)
    strategies = tuple(filter(None, arguments.strategy.replace(" ", "").split(",")))
    if arguments.strategy and not strategies:
        raise UserError(
            f"--strategy takes names between commas, as in adamw,ewc+adamw; got {arguments.strategy!r}"
        )
    return suite.Request(
        stream=arguments.stream,
        strategies=strategies,
        seeds=seeds(arguments.seeds),
        scenario=arguments.scenario,
        tier=arguments.tier,
        model=arguments.model,
        settings=settings,
        plugins=tuple(arguments.plugin),
    )


def probing(arguments: argparse.Namespace) -> bool:
    """Whether `--set probe.magnitude=true` was given: look at gradients and magnitudes while training.

    Raises:
        UserError: Another option of the probe, or another value.
    """
    options = {"magnitude": "false", **_settings(arguments.settings).get(PROBE, {})}
    if set(options) > {"magnitude"} or options["magnitude"].lower() not in ("true", "false"):
        raise UserError(f"the probe has one option, probe.magnitude=true or false, got {options}")
    return options["magnitude"].lower() == "true"


def _settings(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    settings: dict[str, dict[str, str]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        part, dot, option = target.rpartition(".")
        if not (equals and dot and part and option):
            raise UserError(
                f"--set takes PART.OPTION=VALUE, such as nanoadam.lr=2e-3, got {text!r}"
            )
        settings.setdefault(part.strip(), {})[option.strip()] = value.strip()
    return settings


def seeds(text: str) -> tuple[int, ...]:
    """`3` is (0, 1, 2); `0,4,7` is (0, 4, 7); nothing is ().

    Raises:
        UserError: Anything else, or more than MOST_SEEDS.
    """
    try:
        values = [int(item) for item in text.split(",") if item.strip()]
    except ValueError:
        values = [-1]
    if not text:
        return ()
    if max(len(values), values[0] if "," not in text and values else 0) > MOST_SEEDS:
        raise UserError(
            f"--seeds takes at most {MOST_SEEDS} seeds, got {text if ',' not in text else len(values)}; "
            "one seed of a large number is written with a comma, such as 4711,"
        )
    if "," not in text and values[0] > 0:
        return tuple(range(values[0]))
    if not values or min(values) < 0 or max(values) >= 2**31 or "," not in text:
        raise UserError(
            f"--seeds takes a number of seeds such as 3, or a list below 2^31 such as 0,4,7, got {text!r}"
        )
    return tuple(dict.fromkeys(values))
