"""Where the runs of a call are executed: arguments of `python -m nanocl.run`, and their values."""

from __future__ import annotations

import argparse
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
    """

    shard: Shard = WHOLE
    workers: int = 0
    runs_per_gpu: int = 1


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
    return Machines(
        shard=shards.parse(arguments.shard),
        workers=arguments.workers,
        runs_per_gpu=arguments.runs_per_gpu,
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
