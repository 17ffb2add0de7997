"""The columns of the tables: each metric is a function of a run's measurements, with its source.

A function decorated with `@metric` is a column; adding one needs no other edit. Those of tests
within an experience are in `within`, those of mastery in `mastery`, those of features and outputs
in `function`, those of the cost in `costs`.
Accuracies are fractions. Where R holds losses, every difference changes sign, so that positive
forgetting is bad and positive transfer is good for both measures. `i` is trained-on, `j` tested-on,
T the number of experiences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain

from nanocl.records import Drift, Matrix
from nanocl.reporting import costs, function, mastery, within
from nanocl.reporting.columns import Column, Evaluation, Undefined, metric

KINDS = ("accuracy", "drift", "cost")
GROUPS = ("backbone", "head", "all", "buffers")


def columns(kind: str) -> Iterator[Column]:
    """The columns of one table, in the order of this file, then of the other three."""
    return (column for column in _all_columns() if column.kind == kind)


@cache
def _all_columns() -> tuple[Column, ...]:
    modules = (within, mastery, function, costs)
    values = (
        *globals().values(),
        *chain.from_iterable(vars(module).values() for module in modules),
    )
    return tuple(value for value in values if isinstance(value, Column))


@metric("ACC", "mean_j R[T-1][j]", "lopezpaz2017", interval=True)
def average_accuracy(run: Evaluation) -> float:
    """Mean over all experiences at the end of the stream."""
    return _mean(run.rows()[-1])


@metric("LA", "mean_j R[j][j]", "riemer2019", interval=True)
def learning_accuracy(run: Evaluation) -> float:
    """Mean over experiences, each right after training on it: plasticity."""
    return _mean([row[j] for j, row in enumerate(run.trained_rows())])


@metric(
    "F",
    "mean_{j<T-1} (max_{j<=l<T-1} R[l][j] - R[T-1][j])",
    "chaudhry2018",
    signed=True,
    interval=True,
)
def forgetting(run: Evaluation) -> float:
    """Best earlier result minus the last one; not clamped, so negative after backward transfer."""
    gained = _gains(run, "forgetting")
    last = len(gained) - 1
    forgotten = []
    for j in range(last):
        best = _extreme(max, [row[j] for row in gained[j:last]])
        forgotten.append(best - gained[last][j])
    return _mean(forgotten)


@metric("AIA", "mean_i mean_{j<=i} R[i][j]", "rebuffi2017", "masana2020")
def average_incremental_accuracy(run: Evaluation) -> float:
    """Mean over the stream of the mean over the experiences met so far."""
    return _mean([_mean(row[: i + 1]) for i, row in enumerate(run.trained_rows())])


@metric(
    "F first-last",
    "mean_{j<T-1} (R[j][j] - R[T-1][j]) = -BWT",
    "lomonaco2021",
    detail=True,
    signed=True,
)
def first_minus_last(run: Evaluation) -> float:
    """Result right after training minus the last one: the forgetting that Avalanche prints."""
    gained = _gains(run, "forgetting")
    last = len(gained) - 1
    return _mean([gained[j][j] - gained[last][j] for j in range(last)])


@metric("BWT", "mean_{j<T-1} (R[T-1][j] - R[j][j])", "lopezpaz2017", signed=True)
def backward_transfer(run: Evaluation) -> float:
    """Mean change of each experience's result by the end of the stream."""
    gained = _gains(run, "backward transfer")
    last = len(gained) - 1
    return _mean([gained[last][j] - gained[j][j] for j in range(last)])


@metric(
    "FWT",
    "mean_{j>=1} (R[j-1][j] - R[-1][j]), R[-1] the untrained model",
    "lopezpaz2017",
    signed=True,
)
def forward_transfer(run: Evaluation) -> float:
    """Result on an experience just before training on it, minus the untrained model's."""
    if run.own_heads:
        raise Undefined(
            "each experience has its own head, which is untrained before it; forward transfer "
            "would measure its initial weights"
        )
    gained = _gains(run, "forward transfer")
    if run.masked and not any(run.matrix[j - 1][j] for j in range(1, len(gained))):
        raise Undefined("forward transfer needs classes that can be predicted before they are met")
    return _mean([gained[j - 1][j] - run.sign * run.initial[j] for j in range(1, len(gained))])


@metric("min ACC", "mean_{j<T-1} min_{j<i<=T-1} R[i][j]", "delange2023")
def minimum_accuracy(run: Evaluation) -> float:
    """Worst result of each experience after later ones (task level); for losses the largest."""
    gained = _gains(run, "minimum accuracy")
    worst = []
    for j in range(len(gained) - 1):
        worst.append(_extreme(min, [row[j] for row in gained[j + 1 :]]))
    return run.sign * _mean(worst)


@metric(
    "I",
    "mean_j (J[j][j] - R[j][j]), J joint training on experiences 0..j",
    "chaudhry2018",
    signed=True,
)
def intransigence(run: Evaluation) -> float:
    """Joint training on all experiences so far, minus the run, on the new experience."""
    gained = _signed(run.sign, run.trained_rows())
    joint = _joint(run)
    if joint.untrained:
        raise Undefined("joint training of this protocol began only at the end of the stream")
    reached = _signed(run.sign, joint.rows())
    return _mean([reached[j][j] - row[j] for j, row in enumerate(gained)])


@metric("gap to joint", "ACC(joint) - ACC", signed=True)
def gap_to_joint(run: Evaluation) -> float:
    """Average accuracy of joint training minus that of the run."""
    return _mean(_signed(run.sign, _joint(run).rows())[-1]) - run.sign * average_accuracy(run)


@metric(
    "task-IL ACC",
    "ACC of the same run, predictions limited to each experience's own classes",
    "vandeven2019",
    optional=True,
)
def masked_accuracy(run: Evaluation) -> float:
    """Average accuracy of a class-incremental run seen as task-incremental."""
    if run.masked is None:
        raise Undefined(
            "only class-incremental runs with one shared head have a task-incremental view"
        )
    last = [value for value in run.masked[-1] if value is not None] if run.masked else []
    if not last or any(len(row) != len(last) for row in run.masked):
        raise Undefined("the evaluation matrix is not complete")
    return _mean(last)


def _net(
    column: str,
    title: str,
    definition: str,
    unit: str = "number",
) -> Column:
    """A column of the drift between start and end of the stream."""

    def at_end(drift: Sequence[Drift], group: str) -> float:
        if not drift:
            raise Undefined("no drift was measured")
        return _column(drift[-1].start, group, column)

    return Column(column, title, "drift", unit, definition, (), at_end)


l2 = _net("l2", "L2", "||w_end - w_start||")
relative = _net("relative", "relative", "||w_end - w_start|| / ||w_start||")
mean_squared = _net("mean_squared", "mean squared", "||w_end - w_start||^2 / n")
touched = _net(
    "touched",
    "touched",
    "percent of entries whose bits differ from the start",
    unit="share",
)
cosine = _net("cosine", "cosine", "cos(w_end, w_start)", unit="cosine")


@metric(
    "path",
    "sum_i ||w_i - w_{i-1}||, one step an experience",
    kind="drift",
    unit="number",
    detail=True,
)
def path_length(drift: Sequence[Drift], group: str) -> float:
    """Length of the path from experience to experience."""
    return sum(_column(entry.previous, group, "l2") for entry in drift)


@metric("path / L2", "path over L2: 1 is a straight line", kind="drift", unit="number")
def path_ratio(drift: Sequence[Drift], group: str) -> float:
    """Length of the path over the distance between its ends."""
    net = l2(drift, group)
    if not net:
        raise Undefined("the parameters have not moved")
    return path_length(drift, group) / net


@metric(
    "mean per tensor",
    "mean over the backbone's tensors of the tensor's L2",
    "zhou2025",
    kind="drift",
    unit="number",
)
def average_tensor_distance(drift: Sequence[Drift], group: str) -> float:
    """Mean of the tensors' own distances (Table 5 of the source)."""
    if group != "backbone":
        raise Undefined("it is measured for the backbone only")
    if not drift or drift[-1].average_tensor is None:
        raise Undefined("no tensor of the backbone was measured")
    return drift[-1].average_tensor


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _extreme(choose: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else choose(values)


def _signed(sign: int, matrix: Matrix) -> Matrix:
    rows = []
    for row in matrix:
        rows.append(tuple(sign * value for value in row))
    return tuple(rows)


def _gains(run: Evaluation, metric_name: str) -> Matrix:
    """R with the sign that makes higher better."""
    if len(run.matrix) == 1:
        raise Undefined(f"{metric_name} needs 2 experiences, the stream has 1")
    return _signed(run.sign, run.trained_rows())


def _joint(run: Evaluation) -> Evaluation:
    if run.joint is None:
        raise Undefined("there is no other row of joint training with the same protocol and seed")
    if (run.joint.measure, len(run.joint.matrix)) != (run.measure, len(run.rows())):
        raise Undefined("joint training was measured on other experiences")
    return run.joint


def _column(groups: Mapping[str, Mapping[str, float | None]], group: str, column: str) -> float:
    value = groups.get(group, {}).get(column)
    if value is None:
        raise Undefined(
            f"{column.replace('_', ' ')} of the {group} was not measured, or its reference is zero"
        )
    return value
