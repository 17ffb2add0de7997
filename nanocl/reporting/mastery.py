"""The columns of streams that are trained until each experience is mastered."""

from __future__ import annotations

import math

from nanocl.reporting.columns import Evaluation, Undefined, metric


@metric(
    "retention",
    "R[1][0]; 0 in a run with an experience that was not mastered",
    "ashley2021",
    optional=True,
    interval=True,
)
def retention(run: Evaluation) -> float:
    """What is left of the first experience when the second one is mastered."""
    is_mastered = all_mastered(run)
    rows = run.rows()
    if len(rows) < 2:
        raise Undefined("retention needs 2 experiences, the stream has 1")
    return _if_mastered(is_mastered, rows[1][0])


@metric(
    "final retention",
    "R[T-1][0]; 0 in a run with an experience that was not mastered",
    "ashley2021",
    optional=True,
    interval=True,
)
def final_retention(run: Evaluation) -> float:
    """What is left of the first experience at the end of the stream."""
    is_mastered = all_mastered(run)
    return _if_mastered(is_mastered, run.rows()[-1][0])


@metric(
    "relearning",
    "steps to master experience 0 / steps when its classes come again; above 1: faster",
    "ashley2021",
    unit="number",
    optional=True,
    interval=True,
)
def relearning_ratio(run: Evaluation) -> float:
    """How much faster the first classes are learned the second time."""
    if not all_mastered(run):
        raise Undefined("an experience was not mastered, so its length is that of its limit")
    again = [i for i, classes in enumerate(run.classes) if i and classes == run.classes[0]]
    if not again:
        raise Undefined("the classes of the first experience do not come again")
    return run.mastery[0]["steps"] / run.mastery[again[0]]["steps"]


@metric(
    "mastered",
    "percent of runs that mastered every experience",
    "ashley2021",
    unit="share",
    optional=True,
)
def mastered(run: Evaluation) -> float:
    """Whether every experience was mastered."""
    return float(all_mastered(run))


def all_mastered(run: Evaluation) -> bool:
    """Whether every experience was mastered.

    Raises:
        Undefined: The run was not trained until mastery, or not on each experience.
    """
    if not run.mastery:
        raise Undefined("experiences ended after a fixed number of steps (training.until=end)")
    run.trained_rows()
    return all(entry["mastered"] for entry in run.mastery)


def _if_mastered(is_mastered: bool, value: float) -> float:
    """The value, or 0; NaN where it was not tested, in runs of either kind."""
    return value if is_mastered or math.isnan(value) else 0.0
