"""Many small trainings side by side: an arm of a seed is one value, and its numbers depend on that value alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from nanocl.data.teachers import Tasks, answers, draw_tasks
from nanocl.models.student import Student
from nanocl.optim._plain.selection import quota
from nanocl.studies.teacher_student import _kernel
from nanocl.studies.teacher_student.measures import PICTURES, facts, measure
from nanocl.studies.teacher_student.settings import Setting

DTYPE = np.float32  # what the ordinary path computes in
LEARNED = 0.01  # of the mean square of what the extra neurons answer
_DENSE = ("gd", "adam")
_SELECT = {
    "nano": _kernel.SMALL,
    "large": _kernel.LARGE,
    "gradient": _kernel.GRADIENT,
    "random": _kernel.RANDOM,
    "nano-neuron": _kernel.NEURON,
    "theorem": _kernel.FIXED,
    "gd": _kernel.ALL,
    "adam": _kernel.ALL,
}
Tell = Callable[[float], None]


class Network(NamedTuple):
    """Two layers: `weights` of shape (hidden, dimension) and `head` of shape (hidden,)."""

    weights: np.ndarray
    head: np.ndarray


@dataclass(frozen=True)
class Start:
    """A student before and after pretraining on teacher A; fields as in `Setting`."""

    seed: int
    dimension: int
    teacher: int
    samples: int
    test_samples: int
    hidden: int
    init_scale: float
    lr: float
    steps: int

    def tasks(self, extra: int, angle: float | None = None) -> Tasks:
        """The data of teacher A and of a teacher B."""
        return draw_tasks(
            self.seed,
            dimension=self.dimension,
            teacher=self.teacher,
            extra=extra,
            samples=self.samples,
            test_samples=self.test_samples,
            angle=angle,
        )


@dataclass(frozen=True)
class Run:
    """One finetuning; what an arm does not use is at its default, so that equal runs are equal values."""

    start: Start
    arm: str
    extra: int
    angle: float | None
    optimizer: str
    lr: float
    steps: int
    heads: str
    share: float = 1.0
    interval: int = 0


def run_of(setting: Setting, arm: str, seed: int) -> Run:
    """The run of an arm in a setting."""
    start = Start(
        seed,
        setting.dimension,
        setting.teacher,
        setting.samples,
        setting.test_samples,
        setting.hidden,
        setting.init_scale,
        setting.pretrain_lr,
        setting.pretrain_steps,
    )
    optimizer = arm if arm in _DENSE else setting.optimizer
    masked = (
        {}
        if arm in (*_DENSE, "theorem")
        else {"share": setting.share, "interval": setting.interval}
    )
    return Run(
        start,
        arm,
        setting.extra,
        setting.angle,
        optimizer,
        setting.adam_lr if optimizer == "adam" else setting.lr,
        setting.steps,
        setting.heads,
        **masked,
    )


class Bench:
    """Trains what settings ask for, each different network once."""

    def __init__(self, workers: int) -> None:
        self.workers = workers  # threads: the training itself holds no lock
        self.fresh: dict[Start, tuple[Network, np.ndarray]] = {}
        self.trained: dict[Start, Network] = {}
        self.measured: dict[Run, dict[str, Any]] = {}

    def setting(
        self, setting: Setting, tell: Tell = lambda done: None
    ) -> dict[str, dict[str, list[Any]]]:
        """Name of an arm, or `before` for the pretrained networks, to measure to its values in the order of the seeds.

        The neurons are kept of the first seed alone.

        Args:
            setting: What to run.
            tell: Called with the share of the setting that is done.
        """
        runs = {arm: [run_of(setting, arm, seed) for seed in setting.seeds] for arm in setting.arms}
        self._train([run for row in runs.values() for run in row], tell)
        starts = [run.start for run in next(iter(runs.values()))]
        before = [
            facts(self.trained[start], start.tasks(setting.extra, setting.angle))
            for start in starts
        ]
        rows = {
            "before": before,
            **{arm: [self.measured[run] for run in row] for arm, row in runs.items()},
        }
        return {
            name: {
                column: [values[column] for values in (row[:1] if column in PICTURES else row)]
                for column in row[0]
            }
            for name, row in rows.items()
        }

    def _train(self, runs: Sequence[Run], tell: Tell) -> None:
        todo = [run for run in dict.fromkeys(runs) if run not in self.measured]
        starts = [
            start for start in dict.fromkeys(run.start for run in todo) if start not in self.trained
        ]
        self.fresh |= {
            start: initial(start) for start in starts
        }  # here: torch's generator belongs to all threads
        jobs = len(todo) + len(starts)
        with ThreadPoolExecutor(self.workers) as pool:
            for start, network in zip(
                starts, pool.map(lambda s: pretrain(s, self.fresh[s][0]), starts), strict=True
            ):
                self.trained[start] = network
                tell(starts.index(start) / jobs)
            for done, (run, values) in enumerate(
                zip(todo, pool.map(self._one, todo), strict=True), len(starts) + 1
            ):
                self.measured[run] = values
                tell(done / jobs)

    def _one(self, run: Run) -> dict[str, Any]:
        before = self.trained[run.start]
        after, reached, finite = finetune(run, before, self.fresh[run.start][1])
        return measure(
            before,
            after,
            run.start.tasks(run.extra, run.angle),
            own=run.heads == "own",
            reached=reached,
            finite=finite,
        )


def initial(start: Start) -> tuple[Network, np.ndarray]:
    """The student as an ordinary run of this seed starts it, and the next head that it would get."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(start.seed)
        student = Student((start.dimension,), hidden=start.hidden, init_scale=start.init_scale)
        first, second = (student.make_head(1).weight.detach().numpy()[0].copy() for _ in range(2))
    return Network(student.layer.weight.detach().numpy().copy(), first), second


def pretrain(start: Start, network: Network) -> Network:
    """Gradient descent on teacher A with all parameters."""
    tasks = start.tasks(0)
    return fit(
        network,
        tasks.train,
        answers(tasks.train, *tasks.teachers[0]),
        lr=start.lr,
        steps=start.steps,
    )[0]


def finetune(run: Run, before: Network, head: np.ndarray) -> tuple[Network, int | None, bool]:
    """One arm on teacher B: the network, the updates until the new neurons were learned, whether it stayed finite."""
    tasks = run.start.tasks(run.extra, run.angle)
    old, new = (answers(tasks.train, *teacher) for teacher in tasks.teachers)
    threshold = LEARNED * float(np.mean((new - old) ** 2)) if run.extra else -1.0
    own = run.heads == "own"
    return fit(
        Network(before.weights, head if own else before.head),
        tasks.train,
        new,
        select=_SELECT[run.arm],
        share=run.share,
        interval=run.interval,
        adam=run.optimizer == "adam",
        lr=run.lr,
        steps=run.steps,
        dense_head=own,
        sizes=np.abs(before.head) if own else None,
        neurons=_theorem(before, tasks) if run.arm == "theorem" else (),
        key=run.start.seed,
        threshold=threshold,
    )


def fit(
    network: Network,
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    lr: float,
    steps: int,
    select: int = _kernel.ALL,
    share: float = 1.0,
    interval: int = 0,
    adam: bool = False,
    dense_head: bool = False,
    sizes: np.ndarray | None = None,
    neurons: Sequence[int] = (),
    key: int = 0,
    threshold: float = -1.0,
) -> tuple[Network, int | None, bool]:
    """Train a copy of a network; see `_kernel.train`.

    Args:
        network: Where training starts.
        inputs: Shape (N, d). targets: Shape (N,).
        dense_head: Train the whole head whatever is selected.
        sizes: Of the neurons, shape (hidden,), where `select` is NEURON; None takes |head|.
        neurons: Neurons whose weights are trained, without their heads, where `select` is FIXED.
    """
    weights, head = (np.array(part, DTYPE, order="C") for part in network)
    hidden, dimension = weights.shape
    chosen = np.zeros(weights.shape, bool), np.zeros(hidden, bool)
    chosen[0][list(neurons)] = True
    reached, finite = _kernel.train(
        weights,
        head,
        np.ascontiguousarray(inputs.T, DTYPE),
        targets.astype(DTYPE),
        select,
        quota(hidden * dimension, share),
        hidden if dense_head else quota(hidden, share),
        quota(hidden, share),
        interval,
        np.uint64(key),
        np.empty(0) if sizes is None else np.array(sizes, np.float64),
        *chosen,
        float(lr),
        *_corrections(lr, steps if adam else 0),
        steps,
        float(threshold),
    )
    return Network(weights, head), reached if reached >= 0 else None, finite


def _corrections(lr: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Adam's learning rate over the bias of the mean, and the root of the bias of the square, by age from 0."""
    age = np.arange(1, steps + 1)
    return lr / (1 - _kernel.BETA1**age), np.sqrt(1 - _kernel.BETA2**age)


def _theorem(before: Network, tasks: Tasks) -> list[int]:
    """For each new neuron of the teacher, the smallest neuron of its sign that is not taken yet."""
    order = np.argsort(np.abs(before.head) * np.linalg.norm(before.weights, axis=1), kind="stable")
    taken: list[int] = []
    for sign in tasks.signs[tasks.neurons :]:
        taken += [next(i for i in order if np.sign(before.head[i]) == sign and i not in taken)]
    return [int(i) for i in taken]
