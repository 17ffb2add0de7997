"""The evaluation matrix of a sequence of own trainings, in which a task may be trained again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

Record = Mapping[str, Any]
Row = tuple[float, ...]


class TaskMatrix(NamedTuple):
    """Results of each task after each training that ended.

    Attributes:
        names: The tasks, a column each: those that were trained and are kept, in the order of their
            first training.
        trained: The task of each row, in the order of the trainings; a task may be in it again, or
            be none of the columns.
        numbers: The number of each row's training in the sequence, from 1.
        initial: Results before the first training.
        rows: A result for each task; NaN where it was not measured.
        measure: `accuracy` or `loss`.
    """

    names: tuple[str, ...]
    trained: tuple[str, ...]
    numbers: tuple[int, ...]
    initial: Row
    rows: tuple[Row, ...]
    measure: str

    def labels(self) -> list[str]:
        """The name of each row; one of a task that is trained again has the training's number."""
        return [
            f"after {name}" + (f" (training {number})" if name in self.trained[:row] else "")
            for row, (name, number) in enumerate(zip(self.trained, self.numbers, strict=True))
        ]

    def average(self) -> float:
        """ACC: mean over tasks after the last training."""
        return fmean(self.rows[-1])

    def forgetting(self) -> float:
        """F: best result since a task's first training minus the last one, mean over tasks.

        The task of the last training is left out. Of losses the sign is turned. Without a task
        trained again this is the formula of Chaudhry et al., 2018. NaN without another task.
        """
        sign = -1 if self.measure == "loss" else 1
        forgotten = []
        for column, name in enumerate(self.names):
            results = [sign * row[column] for row in self.rows]
            since = results[self.trained.index(name) : -1]
            if name != self.trained[-1] and since:
                best = math.nan if any(map(math.isnan, since)) else max(since)
                forgotten.append(best - results[-1])
        return fmean(forgotten) if forgotten else math.nan


def matrix_of(record: Record) -> TaskMatrix:
    """The matrix of a record; without rows if no training ended."""
    ended = [
        (number, training)
        for number, training in enumerate(record["trainings"], 1)
        if training["status"] == "ok"
    ]
    trained = tuple(training["task"] for _, training in ended)
    names = tuple(name for name in dict.fromkeys(trained) if name in record["spec"]["keep"])
    ends = [training["points"][-1]["keep"] for _, training in ended]
    start = record["trainings"][0]["points"][0]["keep"]
    has_classes = all("accuracy" in kept[name] for kept in (start, *ends) for name in names)
    measure = "accuracy" if has_classes else "loss"
    return TaskMatrix(
        names=names,
        trained=trained,
        numbers=tuple(number for number, _ in ended),
        initial=_row(start, names, measure),
        rows=tuple(_row(kept, names, measure) for kept in ends),
        measure=measure,
    )


def _row(kept: Record, names: Sequence[str], measure: str) -> Row:
    values = (kept[name].get(measure) for name in names)
    return tuple(math.nan if value is None else value for value in values)
