"""Theorem 2.2 in numbers: one neuron of the right sign learns the new one, everything else is frozen.

With the output weight a frozen, gradient flow of the input weights w moves v = |a| w by dv/dt =
-a^2 slope(v). So the flow of v alone, in its own time, gives the limit, and its time over a^2 is
the time that gradient flow of w takes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from nanocl.data.teachers import answers
from nanocl.studies.teacher_student import _kernel
from nanocl.studies.teacher_student.engine import LEARNED, Network, Start, initial, pretrain
from nanocl.studies.teacher_student.settings import Condition

COLUMNS = ("epsilon", "size", "distance", "time", "angle")


def compute(condition: Condition, workers: int) -> dict[str, list[list[float | None]]]:
    """For each column a list over seeds of lists over the condition's networks.

    Columns: `epsilon`, the larger a^2 of the smallest neuron of each sign; `size`, |a| ||w|| of the neuron that learns;
    `distance` of the limit v from the new neuron of the teacher; `time` of gradient flow until the
    mean squared error is within 1 % of the new neuron's mean square of its limit, None for never;
    `angle` in degrees between v at the start and the new neuron.
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
    jobs: list[Callable[[], list[tuple]]] = []
    for start in starts:
        if condition.init_scale is None:
            jobs.append(
                lambda start=start: [
                    _built(start, epsilon, condition) for epsilon in condition.epsilons
                ]
            )
        else:
            fresh = initial(start)[0]
            jobs.append(lambda start=start, fresh=fresh: [_pretrained(start, fresh, condition)])
    with ThreadPoolExecutor(workers) as pool:
        rows = list(pool.map(lambda job: job(), jobs))
    return {
        name: [[row[number] for row in networks] for networks in rows]
        for number, name in enumerate(COLUMNS)
    }


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
        extra: Mean square of what is to be learned.

    Returns:
        v at the end; time until the mean squared error was within 1 % of `extra` of its value
        there, None for never.
    """
    features = np.ascontiguousarray(inputs.T)
    steps, rate = (
        round(time / step),
        step / 2,
    )  # half: the kernel's slope is that of the whole squared error
    end = np.array(v)
    _kernel.flow(end, features, targets, rate, steps, -1.0)
    last = float(np.mean((np.maximum(inputs @ end, 0) - targets) ** 2))
    reached = _kernel.flow(np.array(v), features, targets, rate, steps, last + LEARNED * extra)
    return end, reached * step if reached >= 0 else None


def _built(start: Start, epsilon: float, condition: Condition) -> tuple:
    """The teacher itself and two more neurons of size epsilon, alike but for their signs, which answer 0 together."""
    tasks = start.tasks(1)
    away = np.random.default_rng((start.seed, 3)).standard_normal(start.dimension)
    v = epsilon * away / np.linalg.norm(away)
    other = np.maximum(
        tasks.train @ v, 0
    )  # the spare neuron of the wrong sign answers -sign * other
    target = np.maximum(tasks.train @ tasks.directions[-1], 0) + other
    return _row(tasks, v, target, epsilon, epsilon, condition)


def _pretrained(start: Start, fresh: Network, condition: Condition) -> tuple:
    tasks = start.tasks(1)
    weights, head = (part.astype(np.float64) for part in pretrain(start, fresh))
    size = np.abs(head) * np.linalg.norm(weights, axis=1)
    sign = tasks.signs[-1]
    learns, other = (
        int(np.argmin(np.where(np.sign(head) == s, size, np.inf))) for s in (sign, -sign)
    )
    rest = np.maximum(tasks.train @ np.delete(weights, learns, axis=0).T, 0) @ np.delete(
        head, learns
    )
    target = sign * (answers(tasks.train, *tasks.teachers[1]) - rest)
    return _row(
        tasks,
        np.abs(head[learns]) * weights[learns],
        target,
        max(head[learns] ** 2, head[other] ** 2),
        head[learns] ** 2,
        condition,
    )


def _row(
    tasks: Any, v: np.ndarray, target: np.ndarray, epsilon: float, rate: float, condition: Condition
) -> tuple:
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
