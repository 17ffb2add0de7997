"""Overhead of the training path over a bare PyTorch loop: ratios measured in one process.

    python benchmarks/perf/training_loop.py --data-root DIR [--device cuda] [--stream split-mnist]

All paths train the same initial weights with the same optimizer for the same number of steps: a
bare loop over float tensors that lie on the device, nanocl's learner with Avalanche's hooks, and
Avalanche's own per-sample loader on the same data. Medians over interleaved repeats; one thread.
`--out FILE` also writes the table as a page.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch

from nanocl.data.batches import tensor_parts
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import RunSpec
from nanocl.reporting.formats import pipe_table
from nanocl.training import assembly, loop, measure
from nanocl.training.context import Context


def bare(spec: RunSpec, context: Context) -> float:
    """Seconds per step of a plain loop over floats on the device, shuffled by index."""
    learner, scenario = assembly.build(spec, context)
    model, optimizer, loss = learner.model, learner.optimizer, torch.nn.CrossEntropyLoss()
    model.kind = "all"
    parts = tensor_parts(scenario.train_stream[0].dataset)
    if parts is None:
        raise ValueError(f"the data of {spec.stream.name} must be tensors in memory")
    dataset = parts[0][0]
    everything = dataset.batch(torch.arange(len(dataset)))
    inputs, targets = (values.to(context.device) for values in everything[:2])
    _wait(context.device)
    steps, start = 0, time.perf_counter()
    for _ in range(spec.training.epochs):
        for index in torch.randperm(len(inputs)).split(spec.training.batch_size):
            rows = index.to(context.device)
            optimizer.zero_grad()
            loss(model.head(model.backbone(inputs[rows])), targets[rows]).backward()
            optimizer.step()
            steps += 1
    _wait(context.device)
    return (time.perf_counter() - start) / steps


def ours(spec: RunSpec, context: Context, *, fast: bool = True) -> float:
    """Seconds per step of the learner, with everything that `train` does."""
    learner, scenario = assembly.build(spec, context)
    if not fast:
        # Avalanche's loader instead of the learner's own
        loader = super(loop.Learner, learner).make_train_dataloader
        learner.make_train_dataloader = loader  # type: ignore[method-assign]
    meter = measure.Meter(context.device)
    learner.plugins.insert(0, loop.Ticker(meter))
    with meter.training():
        learner.train(scenario.train_stream[0], eval_streams=[])
    return meter.seconds / meter.steps


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    arguments = _parser().parse_args()
    torch.set_num_threads(1)  # so that times do not depend on other load of the cores
    request = Request(stream=arguments.stream, strategies=(arguments.strategy,), seeds=(0,))
    spec = suite.specs(request, Catalogue())[0]
    context = Context(data_root=arguments.data_root, device=arguments.device)
    paths = {
        "bare loop": partial(bare, spec, context),
        "nanocl": partial(ours, spec, context),
        "Avalanche's loader": partial(ours, spec, context, fast=False),
    }
    times: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(arguments.repeats):
        for name, run in paths.items():
            times[name].append(run())
    page = _page(spec, arguments.device, times)
    print(page)
    if arguments.out:
        arguments.out.write_text(page)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--stream", default="split-fmnist")
    parser.add_argument("--strategy", default="adamw")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="page to write, such as training-gpu.md")
    return parser


def _page(spec: RunSpec, device: str, times: Mapping[str, list[float]]) -> str:
    base = statistics.median(times["bare loop"])
    rows = []
    for name, values in times.items():
        median = statistics.median(values)
        rows.append([name, f"{1e3 * median:.3f}", f"{median / base:.2f}"])
    facts = measure.environment(device)
    machine = facts.processor if device == "cpu" else facts.device
    return (
        f"# Training loop: {spec.protocol}, {spec.strategy_name}, {device}\n\n"
        "Made by `python benchmarks/perf/training_loop.py`.\n\n"
        f"Machine: {machine}, 1 thread, torch {facts.torch}. Batch size "
        f"{spec.training.batch_size}; medians over {len(times['nanocl'])} interleaved repeats.\n\n"
        f"{pipe_table(['path', 'ms a step', 'ratio'], rows)}\n"
    )


if __name__ == "__main__":
    main()
