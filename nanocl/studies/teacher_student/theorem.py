"""Theorem 2.2 in numbers: one neuron of the right sign learns the new one, the rest is frozen.

With the output weight a frozen, gradient flow of the input weights w moves v = |a| w by dv/dt =
-a^2 slope(v). So the flow of v alone, in its own time, gives the limit. Its time divided by a^2 is
the time of the gradient flow of w.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from nanocl.data.teachers import Tasks, answers
from nanocl.studies.teacher_student import _kernel
from nanocl.studies.teacher_student.engine import LEARNED, initial, pretrain
from nanocl.studies.teacher_student.fitting import TwoLayers
from nanocl.studies.teacher_student.runs import Start
from nanocl.studies.teacher_student.settings import Condition

COLUMNS = ("epsilon", "size", "distance", "time", "angle")
Measurement = tuple[float, float, float, float | None, float]


def compute(condition: Condition, workers: int) -> dict[str, list[list[float | None]]]:
    """For each column a list over seeds of lists over the condition's networks.

    Columns:
        epsilon: The larger a^2 of the smallest neuron of each sign.
        size: |a| ||w|| of the neuron that learns.
        distance: Of the limit v from the new neuron of the teacher.
        time: Of gradient flow until the mean squared error is within 1 % of the new neuron's mean
            square of its limit, None for never.
        angle: In degrees between v at the start and the new neuron.
    """
    starts = [
        Start(
            seed,
            condition.dimension,
            condition.teacher,
            condition.samples,
            1,
            condition.hidden,
            condition.init_scale or 1.0,
            condition.pretrain_lr,
            condition.pretrain_steps,
        )
        for seed in condition.seeds
    ]
    jobs: list[Callable[[], list[Measurement]]] = []
    for start in starts:
        if condition.init_scale is None:
            jobs.append(partial(_built_networks, start, condition))
        else:
            jobs.append(partial(_pretrained_network, start, initial(start)[0], condition))
    with ThreadPoolExecutor(workers) as pool:
        by_seed = list(pool.map(lambda job: job(), jobs))
    columns: dict[str, list[list[float | None]]] = {name: [] for name in COLUMNS}
    for networks in by_seed:
        for name, values in zip(COLUMNS, zip(*networks, strict=True), strict=True):
            columns[name].append(list(values))
    return columns


def flow(
    v: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    step: float,
    time: float,
    extra: float,
) -> tuple[np.ndarray, float | None]:
    """Gradient flow of max(0, v . x) on half the mean squared error.

    Args:
        v: Start, shape (d,).
        inputs, targets: Shapes (N, d) and (N,).
        step, time: Euler step and end.
        extra: Mean square of the outputs to be learned.

    Returns:
        v at the end; time until the mean squared error was within 1 % of `extra` of its final
        value, None for never.
    """
    features = np.ascontiguousarray(inputs.T)
    steps = round(time / step)
    rate = step / 2  # half: the kernel's gradient is that of the whole squared error
    end = np.array(v)
    _kernel.flow(end, features, targets, rate, steps, -1.0)
    last = float(np.mean((np.maximum(inputs @ end, 0) - targets) ** 2))
    reached = _kernel.flow(np.array(v), features, targets, rate, steps, last + LEARNED * extra)
    return end, reached * step if reached >= 0 else None


def _built_networks(start: Start, condition: Condition) -> list[Measurement]:
    return [_built(start, epsilon, condition) for epsilon in condition.epsilons]


def _built(start: Start, epsilon: float, condition: Condition) -> Measurement:
    """The teacher itself and two spare neurons of size epsilon.

    The spare neurons differ in their signs alone, so that their outputs cancel.
    """
    tasks = start.tasks(1)
    away = np.random.default_rng((start.seed, 3)).standard_normal(start.dimension)
    v = epsilon * away / np.linalg.norm(away)
    # the output of the spare neuron of the wrong sign, without its sign
    other = np.maximum(tasks.train @ v, 0)
    target = np.maximum(tasks.train @ tasks.directions[-1], 0) + other
    return _row(tasks, v, target, epsilon, epsilon, condition)


def _pretrained_network(start: Start, fresh: TwoLayers, condition: Condition) -> list[Measurement]:
    """A pretrained network whose smallest neuron of the new neuron's sign learns."""
    tasks = start.tasks(1)
    weights, head = (part.astype(np.float64) for part in pretrain(start, fresh))
    size = np.abs(head) * np.linalg.norm(weights, axis=1)
    sign = tasks.signs[-1]
    learns, other = (
        int(np.argmin(np.where(np.sign(head) == s, size, np.inf))) for s in (sign, -sign)
    )
    # what the frozen neurons leave to be learned, with the sign of the output weight removed
    frozen_weights = np.delete(weights, learns, axis=0)
    frozen_head = np.delete(head, learns)
    rest = np.maximum(tasks.train @ frozen_weights.T, 0) @ frozen_head
    target = sign * (answers(tasks.train, *tasks.teachers[1]) - rest)
    start_v = np.abs(head[learns]) * weights[learns]
    epsilon = max(head[learns] ** 2, head[other] ** 2)
    return [_row(tasks, start_v, target, epsilon, head[learns] ** 2, condition)]


def _row(
    tasks: Tasks,
    v: np.ndarray,
    target: np.ndarray,
    epsilon: float,
    rate: float,
    condition: Condition,
) -> Measurement:
    """The columns of one network; `rate` is a^2, the speed of the flow of w relative to v."""
    new = tasks.directions[-1]
    end, time = flow(
        v,
        tasks.train,
        target,
        step=condition.time_step,
        time=condition.time,
        extra=float(np.mean(np.maximum(tasks.train @ new, 0) ** 2)),
    )
    size = float(np.linalg.norm(v))
    angle = float(np.degrees(np.arccos(np.clip(v @ new / size, -1, 1))))
    return (
        float(epsilon),
        size,
        float(np.linalg.norm(end - new)),
        None if time is None else time / rate,
        angle,
    )
