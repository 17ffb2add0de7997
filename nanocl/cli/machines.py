"""Where the runs of a call are executed: arguments of `python -m nanocl.run`, and their values."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

from nanocl.protocols import shards
from nanocl.protocols.shards import WHOLE, Shard
from nanocl.records import UserError


@dataclass(frozen=True)
class Machines:
    """Where runs are executed.

    Attributes:
        shard: The part of the grid that this call runs.
        workers: Runs at a time; 0 for one for each core, or `runs_per_gpu` for each GPU.
        runs_per_gpu: Runs that share a GPU.
        engine: `local` for this machine, or `ray` for a cluster.
        address: Of the cluster: `auto` or `HOST:PORT`.
        vectorize: Whether seeds are trained as one model: `auto` where it is faster, `on`, `off`.
    """

    shard: Shard = WHOLE
    workers: int = 0
    runs_per_gpu: int = 1
    engine: str = "local"
    address: str = "auto"
    vectorize: str = "off"


THIS_ONE = Machines()


def machines(arguments: argparse.Namespace) -> Machines:
    """What the arguments say.

    Raises:
        UserError: A malformed value.
    """
    if arguments.workers < 0:
        raise UserError(
            f"--workers must be at least 1, or 0 for one per core, got {arguments.workers}"
        )
    if arguments.runs_per_gpu < 1:
        raise UserError(f"--runs-per-gpu must be at least 1, got {arguments.runs_per_gpu}")
    if arguments.vectorize == "on" and arguments.engine == "ray":
        raise UserError("--vectorize on needs --engine local, got --engine ray; use auto or off")
    address = arguments.address or "auto"
    if arguments.address and arguments.engine != "ray":
        raise UserError(f"--address needs --engine ray, got --engine {arguments.engine}")
    if address != "auto" and not re.fullmatch(r"[^\s:/]+:[0-9]{1,5}", address):
        raise UserError(
            f"--address must be auto or HOST:PORT, such as 10.0.0.1:6379, got {address!r}"
        )
    return Machines(
        shard=shards.parse(arguments.shard),
        workers=arguments.workers,
        runs_per_gpu=arguments.runs_per_gpu,
        engine=arguments.engine,
        address=address,
        vectorize=arguments.vectorize,
    )


def add_arguments(p: argparse.ArgumentParser) -> None:
    """Add the arguments that `machines` reads."""
    p.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="runs at a time; default: one per core, or --runs-per-gpu for each GPU",
    )
    p.add_argument(
        "--runs-per-gpu",
        type=int,
        default=1,
        metavar="N",
        help="small runs that share one GPU; default: 1",
    )
    p.add_argument(
        "--shard",
        default="",
        metavar="I/N",
        help="run part I of N of the grid, such as 2/5; `python -m nanocl.report merge` joins the "
        "results folders",
    )
    p.add_argument(
        "--engine",
        default="local",
        choices=("local", "ray"),
        help="where runs are executed: this machine, or a Ray cluster; default: local",
    )
    p.add_argument(
        "--address",
        default="",
        metavar="auto|HOST:PORT",
        help="the Ray cluster; default: auto, the one that this machine belongs to",
    )
    p.add_argument(
        "--vectorize",
        default="off",
        choices=("auto", "on", "off"),
        help="train seeds of a learner as one model, equal to rounding: auto where it is faster; "
        "default: off, so that a seed has the same bits in every call",
    )
