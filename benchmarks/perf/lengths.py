"""What an experience costs as streams get longer, and a step of replay as its memory fills."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import torch
from paths import Run, Spent, clock

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import RunSpec
from nanocl.records.measuring import Measuring
from nanocl.training import assembly, measure
from nanocl.training.context import Context
from nanocl.training.loop import Learner

Settings = dict[str, dict[str, str]]
# MNIST with a tenth of its images: six training images for a test image, as in all of it
PERMUTED: dict[str, dict[str, str]] = {
    "mnist": {"data": "mnist", "samples": "600", "test_samples": "100"},
    "digits": {"data": "digits"},
}
BASE = "adamw"
REPLAY = ("er", "a-gem")
EARLY, LATE = 2, 40  # numbers of the experiences whose steps are compared
ALL_TESTS = 3  # repeats of a test on all experiences


def spec_of(stream: str, strategy: str, settings: Settings) -> RunSpec:
    """The run of a strategy, with seed 0."""
    request = Request(stream=stream, strategies=(strategy,), seeds=(0,), settings=settings)
    return suite.specs(request, Catalogue())[0]


def permuted(data: str, strategy: str, experiences: int) -> RunSpec:
    """The run of a strategy on so many permutations of `PERMUTED[data]`."""
    settings = {"stream": {**PERMUTED[data], "experiences": str(experiences)}}
    return spec_of("permuted-mnist", strategy, settings)


def alone(spec: RunSpec, context: Context) -> dict[str, float]:
    """`costs` in a process of its own, whose peak of memory is that of this run."""
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawning, torch.set_num_threads, (1,)) as pool:
        return pool.submit(costs, spec, context).result()


def costs(spec: RunSpec, context: Context) -> dict[str, float]:
    """Milliseconds an experience of each part of a run with checkpoints, and its peak memory.

    `evaluation, seen` contains the test of the untrained model on all experiences; so does
    `evaluation, all`, which is that of a run that tests all of them after each. `share of seen` is
    that of `evaluation, seen` in all seconds of the run.
    """
    if context.device == "cuda":  # the first kernels of a process wait until they are loaded
        Run(permuted("digits", BASE, 2), context, Measuring("seen")).train()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(spec, context, Measuring("seen"), checkpoint=Path(folder) / "checkpoint")
        spent = run.train()
    peak = measure.peak_memory() / 2**20
    tests = run.scenario.test_stream
    whole_row = median(_seconds(run.learner.eval, tests, context) for _ in range(ALL_TESTS))
    return _per_experience(spent, whole_row, len(tests), peak)


def _per_experience(spent: Spent, whole_row: float, count: int, peak: float) -> dict[str, float]:
    return {
        "training": round(1e3 * spent.training / count, 3),
        "evaluation, seen": round(1e3 * spent.evaluation / count, 3),
        "evaluation, all": round(1e3 * whole_row * (count + 1) / count, 3),
        "drift": round(1e3 * spent.drift / count, 3),
        "checkpoint": round(1e3 * spent.checkpoint / count, 3),
        "share of seen": round(spent.evaluation / spent.whole, 4),
        "peak MiB": round(peak, 1),
    }


def steps(data: str, strategy: str, context: Context, repeats: int) -> dict[str, float]:
    """A step's time in those of adamw at experience `EARLY` and at `LATE`, and their quotient.

    Both learners train on each experience in turn, so that other load of the machine meets both.
    The ratio at an experience is the median over it and the two after it, in all repeats.
    """
    rounds = [_ratios(data, strategy, context) for _ in range(repeats)]
    early, late = (
        median(ratio for ratios in rounds for ratio in ratios[number - 1 : number + 2])
        for number in (EARLY, LATE)
    )
    return {
        f"experience {EARLY}": round(early, 4),
        f"experience {LATE}": round(late, 4),
        "growth": round(late / early, 4),
    }


def _ratios(data: str, strategy: str, context: Context) -> list[float]:
    """The ratio of the times of training on each experience, up to the second after `LATE`."""
    learners = []
    for name in (strategy, BASE):
        learner, scenario = assembly.build(permuted(data, name, LATE + 2), context)
        learners.append(learner)
    ratios = []
    for experience in scenario.train_stream:
        ours, base = (_trained(learner, experience, context) for learner in learners)
        ratios.append(ours / base)
    return ratios


def _trained(learner: Learner, experience: object, context: Context) -> float:
    return _seconds(lambda one: learner.train(one, eval_streams=[]), experience, context)


def _seconds(call: Callable[[object], object], argument: object, context: Context) -> float:
    start = clock(context.device)
    call(argument)
    return clock(context.device) - start
