"""Seeds of one learner trained one by one, and as one model (`--vectorize`): time a step and seed.

    python benchmarks/perf/seeds.py [--device cuda] [--data-root DIR] [--repeats 3] [--out DIR]

Training only, CPU seconds on the CPU and wall-clock seconds on a GPU. Both ways alternate in one
process on one thread; each keeps its best time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import Cost, RunSpec
from nanocl.reporting.formats import pipe_table
from nanocl.training import experiment, measure
from nanocl.training.context import Context

WIDTHS = (50, 100, 400)
SEEDS = (5, 10)
TRAINING = {"iterations": "60", "batch_size": "32"}
HEADS = ("optimizer", "width", "seeds", "alone, ms", "together, ms", "together / alone")


def compared(specs: Sequence[RunSpec], context: Context, repeats: int) -> tuple[float, float]:
    """Milliseconds a step and seed, alone and together."""
    alone, together = [], []
    for _ in range(repeats):
        one = experiment.run_one(specs[0], context)
        group = list(experiment.run_group(specs, context))
        alone.append(_milliseconds(one.cost, context.device))
        together.append(_milliseconds(group[0].cost, context.device))
    return min(alone), min(together)


def rows(stream: str, strategies: Sequence[str], context: Context, repeats: int) -> list[list[str]]:
    """The cells of the table."""
    made = []
    for strategy in strategies:
        for width in WIDTHS:
            for count in SEEDS:
                specs = _specs(stream, strategy, width, count)
                alone, together = compared(specs, context, repeats)
                values = (f"{alone:.3f}", f"{together:.3f}", f"{together / alone:.2f}")
                made.append([strategy, f"{width}", f"{count}", *values])
                print(*made[-1], flush=True)
    return made


def page(cells: list[list[str]], device: str, repeats: int) -> str:
    """The table with the machine that it was measured on."""
    facts = measure.environment(device)
    machine = facts.processor if device == "cpu" else facts.device
    seconds = "CPU seconds" if device == "cpu" else "wall-clock seconds"
    return (
        f"# Seeds trained as one model, {device}\n\n"
        "Made by `python benchmarks/perf/seeds.py`.\n\n"
        f"Machine: {machine}, torch {facts.torch}, 1 thread. MLP with two hidden layers on 784 "
        f"inputs, mini-batches of {TRAINING['batch_size']}; {seconds} of training a step and seed, "
        f"best of {repeats}.\n\n{pipe_table(HEADS, cells)}\n"
    )


def _milliseconds(cost: Cost, device: str) -> float:
    return 1e3 * (cost.cpu_seconds if device == "cpu" else cost.train_seconds) / cost.steps


def _specs(stream: str, strategy: str, width: int, seeds: int) -> list[RunSpec]:
    request = Request(
        stream=stream,
        scenario="domain",
        strategies=(strategy,),
        seeds=tuple(range(seeds)),
        settings={"model": {"width": str(width)}, "training": TRAINING},
    )
    return suite.specs(request, Catalogue())


def main() -> None:
    arguments = _parser().parse_args()
    torch.set_num_threads(1)
    context = Context(data_root=arguments.data_root, device=arguments.device)
    cells = rows(arguments.stream, arguments.strategy, context, arguments.repeats)
    text = page(cells, arguments.device, arguments.repeats)
    name = "seeds-cpu.md" if arguments.device == "cpu" else "seeds-gpu.md"
    (arguments.out / name).write_text(text)
    print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--stream", default="split-mnist")
    parser.add_argument("--strategy", nargs="+", default=["adamw", "nanoadam"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/perf"))
    return parser


if __name__ == "__main__":
    main()
