"""Runs per minute of one learner over seeds, on the CPU and on a GPU, with one worker and more.

    python benchmarks/perf/throughput.py [--device cuda] [--workers 1 4] [--seeds 8] [--out FILE]

Counts what a call of `nanocl.run` spends on its runs: training, evaluation, drift. Workers are
started, and their first run is over, before the clock starts.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

from nanocl.engine import local
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import RunFailure, RunSpec
from nanocl.reporting.formats import pipe_table
from nanocl.training import experiment, measure
from nanocl.training.context import Context


def runs_per_minute(specs: list[RunSpec], context: Context) -> float:
    """Runs a minute, the first run of each worker left out."""
    run_one = partial(experiment.run_one, context=context)
    ends = []
    for outcome in local.run_all(run_one, specs, workers=context.workers):
        if isinstance(outcome, RunFailure):
            raise RuntimeError(outcome.error)
        ends.append(time.perf_counter())
    # after as many ends as there are workers, every worker has started
    first, last = ends[context.workers - 1], ends[-1]
    return 60 * (len(ends) - context.workers) / (last - first)


def main() -> None:
    arguments = _parser().parse_args()
    rows = []
    for workers in arguments.workers:
        seeds = tuple(range(arguments.seeds + workers))
        request = Request(
            stream=arguments.stream, strategies=(arguments.strategy,), seeds=seeds, tier="cpu"
        )
        specs = suite.specs(request, Catalogue())
        context = Context(data_root=arguments.data_root, device=arguments.device, workers=workers)
        rows.append([f"{workers}", f"{runs_per_minute(specs, context):.1f}"])
        print(*rows[-1], flush=True)
    page = _page(arguments, rows)
    print(page)
    if arguments.out:
        arguments.out.write_text(page)


def _page(arguments: argparse.Namespace, rows: list[list[str]]) -> str:
    facts = measure.environment(arguments.device)
    machine = facts.processor if arguments.device == "cpu" else facts.device
    return (
        f"# Throughput: {arguments.stream}, {arguments.strategy}, {arguments.device}\n\n"
        "Made by `python benchmarks/perf/throughput.py`.\n\n"
        f"Machine: {machine}, torch {facts.torch}, 1 thread a worker, {arguments.seeds} seeds "
        f"after the first run of each worker.\n\n{pipe_table(['workers', 'runs a minute'], rows)}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--stream", default="split-digits")
    parser.add_argument("--strategy", default="adamw")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=Path, help="page to write, such as throughput-gpu.md")
    return parser


if __name__ == "__main__":
    main()
