"""Overhead of the training path over a bare PyTorch loop: ratios measured in one process.

    python benchmarks/perf/training_loop.py --data-root DIR [--repeats 5]

Stream and model are Split Fashion-MNIST and the default MLP. All paths train the same initial
weights with the same optimizer for the same number of steps: a bare loop over float tensors in
memory, nanocl's learner with Avalanche's hooks, and Avalanche's own per-sample loader on the same
data. Medians over interleaved repeats; one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from nanocl.data.batches import tensor_parts
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import RunSpec
from nanocl.training import assembly, loop, measure
from nanocl.training.context import Context


def bare(spec: RunSpec, data_root: Path | None) -> float:
    """Seconds per step of a plain loop over floats in memory, shuffled by index."""
    learner, scenario = assembly.build(spec, Context(data_root=data_root))
    model, optimizer, loss = learner.model, learner.optimizer, torch.nn.CrossEntropyLoss()
    model.kind = "all"
    parts = tensor_parts(scenario.train_stream[0].dataset)
    if parts is None:
        raise ValueError(f"the data of {spec.stream.name} must be tensors in memory")
    dataset = parts[0][0]
    inputs, targets, _ = dataset.batch(torch.arange(len(dataset)))
    steps, start = 0, time.perf_counter()
    for _ in range(spec.training.epochs):
        for index in torch.randperm(len(inputs)).split(spec.training.batch_size):
            optimizer.zero_grad()
            loss(model.head(model.backbone(inputs[index])), targets[index]).backward()
            optimizer.step()
            steps += 1
    return (time.perf_counter() - start) / steps


def ours(spec: RunSpec, data_root: Path | None, *, fast: bool = True) -> float:
    """Seconds per step of the learner, with everything that `train` does."""
    learner, scenario = assembly.build(spec, Context(data_root=data_root))
    if not fast:
        # Avalanche's loader instead of the learner's own
        loader = super(loop.Learner, learner).make_train_dataloader
        learner.make_train_dataloader = loader  # type: ignore[method-assign]
    meter = measure.Meter()
    learner.plugins.insert(0, loop.Ticker(meter))
    with meter.training():
        learner.train(scenario.train_stream[0], eval_streams=[])
    return meter.seconds / meter.steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--strategy", default="adamw")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # so that times do not depend on other load of the cores
    spec = suite.specs(
        Request(stream="split-fmnist", strategies=(arguments.strategy,), seeds=(0,)), Catalogue()
    )[0]
    paths = {
        "bare loop": lambda: bare(spec, arguments.data_root),
        "nanocl": lambda: ours(spec, arguments.data_root),
        "Avalanche's loader": lambda: ours(spec, arguments.data_root, fast=False),
    }
    times: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(arguments.repeats):
        for name, run in paths.items():
            times[name].append(run())
    base = statistics.median(times["bare loop"])
    machine = f"{measure.processor()}, 1 thread, torch {torch.__version__}"
    print(f"{'path':<20} {'ms a step':>10} {'ratio':>6}   ({machine})")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:<20} {1e3 * median:>10.3f} {median / base:>6.2f}")


if __name__ == "__main__":
    main()
