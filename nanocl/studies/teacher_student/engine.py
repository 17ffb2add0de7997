"""Many small trainings side by side; the numbers of a run depend on its own values alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from nanocl.data.teachers import Tasks, answers
from nanocl.models.student import Student
from nanocl.studies.teacher_student import _selection
from nanocl.studies.teacher_student.fitting import TwoLayers, fit
from nanocl.studies.teacher_student.measures import PICTURES, facts, measure
from nanocl.studies.teacher_student.runs import Run, Start, run_of
from nanocl.studies.teacher_student.settings import Setting

LEARNED = 0.01  # share of the mean square of the outputs of the extra neurons
_SELECT = {
    "nano": _selection.SMALL,
    "large": _selection.LARGE,
    "gradient": _selection.GRADIENT,
    "random": _selection.RANDOM,
    "nano-neuron": _selection.NEURON,
    "theorem": _selection.FIXED,
    "gd": _selection.ALL,
    "adam": _selection.ALL,
}
TellShare = Callable[[float], None]


class Bench:
    """Trains the runs of settings, each different run once."""

    def __init__(self, workers: int) -> None:
        self.workers = workers  # threads: the training itself holds no lock
        self.fresh: dict[Start, tuple[TwoLayers, np.ndarray]] = {}
        self.trained: dict[Start, TwoLayers] = {}
        self.measured: dict[Run, dict[str, Any]] = {}

    def setting(
        self,
        setting: Setting,
        tell: TellShare = lambda done: None,
    ) -> dict[str, dict[str, list[Any]]]:
        """The measures of every arm: name of the arm to measure to its values, in order of seeds.

        `before` is the name of the pretrained networks. Neurons are kept for the first seed only.

        Args:
            setting: The setting.
            tell: Called with the completed share of the setting.
        """
        runs = {}
        for arm in setting.arms:
            runs[arm] = [run_of(setting, arm, seed) for seed in setting.seeds]
        self._train([run for row in runs.values() for run in row], tell)
        starts = [run.start for run in next(iter(runs.values()))]
        before = []
        for start in starts:
            tasks = start.tasks(setting.extra, setting.angle)
            before.append(facts(self.trained[start], tasks))
        columns = {"before": _columns(before)}
        for arm, row in runs.items():
            columns[arm] = _columns([self.measured[run] for run in row])
        return columns

    def _train(self, runs: Sequence[Run], tell: TellShare) -> None:
        todo = [run for run in dict.fromkeys(runs) if run not in self.measured]
        all_starts = dict.fromkeys(run.start for run in todo)
        starts = [start for start in all_starts if start not in self.trained]
        for start in starts:  # not in the threads: they share torch's random generator
            self.fresh[start] = initial(start)
        jobs = len(todo) + len(starts)
        with ThreadPoolExecutor(self.workers) as pool:
            networks = pool.map(self._pretrain_one, starts)
            for done, (start, network) in enumerate(zip(starts, networks, strict=True)):
                self.trained[start] = network
                tell(done / jobs)
            measures = pool.map(self._finetune_one, todo)
            for done, (run, values) in enumerate(zip(todo, measures, strict=True), len(starts) + 1):
                self.measured[run] = values
                tell(done / jobs)

    def _pretrain_one(self, start: Start) -> TwoLayers:
        return pretrain(start, self.fresh[start][0])

    def _finetune_one(self, run: Run) -> dict[str, Any]:
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


def initial(start: Start) -> tuple[TwoLayers, np.ndarray]:
    """The student at the start of an ordinary run of this seed, and its next head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(start.seed)
        student = Student((start.dimension,), hidden=start.hidden, init_scale=start.init_scale)
        first, second = (student.make_head(1).weight.detach().numpy()[0].copy() for _ in range(2))
    return TwoLayers(student.layer.weight.detach().numpy().copy(), first), second


def pretrain(start: Start, network: TwoLayers) -> TwoLayers:
    """Gradient descent on teacher A with all parameters."""
    tasks = start.tasks(0)
    return fit(
        network,
        tasks.train,
        answers(tasks.train, *tasks.teachers[0]),
        lr=start.lr,
        steps=start.steps,
    )[0]


def finetune(run: Run, before: TwoLayers, head: np.ndarray) -> tuple[TwoLayers, int | None, bool]:
    """One arm on teacher B.

    Returns:
        The network; updates until the new neurons were learned, None for never; whether training
        stayed finite.
    """
    tasks = run.start.tasks(run.extra, run.angle)
    old, new = (answers(tasks.train, *teacher) for teacher in tasks.teachers)
    threshold = LEARNED * float(np.mean((new - old) ** 2)) if run.extra else -1.0
    own = run.heads == "own"
    return fit(
        TwoLayers(before.weights, head if own else before.head),
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


def _theorem(before: TwoLayers, tasks: Tasks) -> list[int]:
    """For each new neuron of the teacher, the smallest unused neuron of its sign."""
    size = np.abs(before.head) * np.linalg.norm(before.weights, axis=1)
    order = [int(place) for place in np.argsort(size, kind="stable")]
    taken: list[int] = []
    for sign in tasks.signs[tasks.neurons :]:
        fitting = [place for place in order if np.sign(before.head[place]) == sign]
        taken.append(next(place for place in fitting if place not in taken))
    return taken


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Measure to its values by seed; neurons and teacher of the first seed only."""
    columns = {}
    for name in rows[0]:
        kept = rows[:1] if name in PICTURES else rows
        columns[name] = [row[name] for row in kept]
    return columns
