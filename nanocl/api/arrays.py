"""The metrics of the tables for a plain evaluation matrix: numpy, torch, pandas or nested lists.

A matrix R has a row for each experience i that was trained on and a column for each experience j
that was tested on; NaN or None where it was not tested. A lower triangle, whose row i has i + 1
entries, is taken too. Results may be fractions or percent. With `measure="loss"` differences change
sign, so that positive forgetting is bad and positive transfer is good for both measures.

Every function raises `nanocl.Undefined` (a ValueError) with the reason where a metric is not
defined, as when it needs a test that was not made.
"""

from __future__ import annotations

import math
from typing import Any

from nanocl.records import Matrix
from nanocl.records.ranges import one_of
from nanocl.reporting import metrics
from nanocl.reporting.columns import NOT_TESTED, Column, Evaluation, Undefined

FORM = "a square matrix, a row for each experience trained on, a column for each tested on"


def average_accuracy(matrix: Any) -> float:
    """ACC: mean over all experiences at the end of the stream (Lopez-Paz and Ranzato, 2017)."""
    return _value(metrics.average_accuracy, matrix)


def learning_accuracy(matrix: Any) -> float:
    """LA: mean over experiences, each right after training on it (Riemer et al., 2019)."""
    return _value(metrics.learning_accuracy, matrix)


def average_incremental_accuracy(matrix: Any) -> float:
    """AIA: mean over the stream of the mean over the experiences so far (Rebuffi et al., 2017)."""
    return _value(metrics.average_incremental_accuracy, matrix)


def forgetting(matrix: Any, *, measure: str = "accuracy") -> float:
    """F: mean over j < T - 1 of the best result on j in rows j to T - 2, minus the last one.

    Negative where results became better than ever before. Source: Chaudhry et al., 2018.
    """
    return _value(metrics.forgetting, matrix, measure)


def first_minus_last(matrix: Any, *, measure: str = "accuracy") -> float:
    """Mean over j < T - 1 of `R[j][j]` - `R[T-1][j]`: what Avalanche calls forgetting."""
    return _value(metrics.first_minus_last, matrix, measure)


def backward_transfer(matrix: Any, *, measure: str = "accuracy") -> float:
    """BWT: mean over j < T - 1 of `R[T-1][j]` - `R[j][j]` (Lopez-Paz and Ranzato, 2017)."""
    return _value(metrics.backward_transfer, matrix, measure)


def forward_transfer(matrix: Any, initial: Any, *, measure: str = "accuracy") -> float:
    """FWT: mean over j >= 1 of `R[j-1][j]` minus the untrained model's result on j.

    Args:
        matrix: The evaluation matrix, with the tests above its diagonal.
        initial: The untrained model on each experience.
        measure: `accuracy` or `loss`.

    Source: Lopez-Paz and Ranzato, 2017.
    """
    return _value(metrics.forward_transfer, matrix, measure, initial=_row(initial))


def minimum_accuracy(matrix: Any, *, measure: str = "accuracy") -> float:
    """Mean over j < T - 1 of the worst result on j after later experiences (De Lange et al., 2023).

    For losses the largest one.
    """
    return _value(metrics.minimum_accuracy, matrix, measure)


def intransigence(matrix: Any, joint: Any, *, measure: str = "accuracy") -> float:
    """I: mean over j of `J[j][j]` - `R[j][j]` (Chaudhry et al., 2018).

    Args:
        matrix: The evaluation matrix R.
        joint: The matrix J of joint training on experiences 0 to j.
        measure: `accuracy` or `loss`.
    """
    return _value(metrics.intransigence, matrix, measure, joint=_evaluation(joint, measure))


def gap_to_joint(matrix: Any, joint: Any, *, measure: str = "accuracy") -> float:
    """Average accuracy of joint training, whose matrix is `joint`, minus that of R."""
    return _value(metrics.gap_to_joint, matrix, measure, joint=_evaluation(joint, measure))


def _value(column: Column, matrix: Any, measure: str = "accuracy", **more: Any) -> float:
    evaluation = _evaluation(matrix, measure)._replace(**more)
    if "initial" in more and len(evaluation.initial) != len(evaluation.matrix):
        raise ValueError(
            f"initial must have {len(evaluation.matrix)} entries, one for each experience, got "
            f"{len(evaluation.initial)}"
        )
    try:
        return column(evaluation)
    except Undefined as error:
        if str(error) != NOT_TESTED:
            raise
        raise Undefined(f"{column.title} needs results that the matrix does not have") from None


def _evaluation(matrix: Any, measure: str) -> Evaluation:
    one_of("measure", measure, ("accuracy", "loss"))
    rows = [_row(row) for row in _plain(matrix)]
    is_lower = len(rows) > 1 and all(len(row) == i for i, row in enumerate(rows, 1))
    if is_lower:
        rows = [(*row, *[math.nan] * (len(rows) - len(row))) for row in rows]
    if not rows or any(len(row) != len(rows) for row in rows):
        lengths = ", ".join(str(len(row)) for row in rows) or "none"
        raise ValueError(f"expected {FORM}, got {len(rows)} rows of lengths {lengths}")
    checked: Matrix = tuple(rows)
    return Evaluation((), checked, measure)


def _row(row: Any) -> tuple[float, ...]:
    """Numbers of a row; NaN for None.

    Raises:
        ValueError: Its entries are no numbers.
    """
    try:
        return tuple(math.nan if value is None else float(value) for value in _plain(row))
    except TypeError as error:
        raise ValueError(f"expected {FORM}, got the row {row!r}") from error


def _plain(array: Any) -> Any:
    """Lists instead of an array, a tensor or a frame."""
    array = getattr(array, "values", array) if hasattr(array, "iloc") else array
    return array.tolist() if hasattr(array, "tolist") else array
