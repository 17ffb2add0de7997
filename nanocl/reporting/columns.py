"""Columns of the tables: their definition, their input, and the decorator that makes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple

from nanocl.records import Cells, Matrix, Row

NOT_TESTED = (
    "it needs tests that were not made after each experience; --evaluate all makes every one"
)


class Undefined(ValueError):
    """The metric is not defined for this run; the message is the reason."""


class Evaluation(NamedTuple):
    """The input of the metrics of accuracy.

    Attributes:
        initial: The untrained model on each of the T experiences.
        matrix: T rows, R[i][j]; NaN where experience j was not tested after experience i.
        measure: `accuracy` or `loss`.
        joint: The evaluation of joint training under the same protocol and seed, or None.
        masked: R with the prediction limited to each experience's own classes, or None. Entries
            j > i are None if the head has no outputs for classes not met yet.
        untrained: Number of rows of R, from the first, that were measured before any training.
        own_heads: Whether each experience has an output layer of its own.
        tracking: Points of the tests within experiences, see `RunResult.tracking`.
        mastery: How each experience ended, see `RunResult.mastery`.
        function: How far the function moved, see `RunResult.function`.
        classes: Class labels of each experience, empty if they were not recorded.
    """

    initial: Row
    matrix: Matrix
    measure: str = "accuracy"
    joint: Evaluation | None = None
    masked: Sequence[Sequence[float | None]] | None = None
    untrained: int = 0
    own_heads: bool = False
    tracking: Sequence[Mapping[str, Any]] = ()
    mastery: Sequence[Mapping[str, Any]] = ()
    function: Sequence[Mapping[str, Any]] = ()
    classes: Sequence[Sequence[int]] = ()

    @property
    def sign(self) -> int:
        """1 if higher is better, -1 if lower is."""
        return 1 if self.measure == "accuracy" else -1

    def rows(self) -> Matrix:
        """R, if it is complete.

        Raises:
            Undefined: It is not.
        """
        if not self.matrix or any(len(row) != len(self.matrix) for row in self.matrix):
            raise Undefined("the evaluation matrix is not complete")
        return self.matrix

    def trained_rows(self) -> Matrix:
        """R, if it is complete and each row is that of a trained model.

        Raises:
            Undefined: It is not.
        """
        if self.untrained:
            first = f"experience {self.untrained + 1} of {len(self.matrix)}"
            raise Undefined(f"the model was not trained before {first}")
        return self.rows()


@dataclass(frozen=True)
class Column:
    """A metric with its definition and the way it is shown.

    Attributes:
        name: The function's name.
        title: Column header.
        kind: The table, which also decides the arguments of the function (see `metric`):
            `accuracy`, `drift` or `cost`.
        unit: `score` (percent, or the loss itself), `share` (percent), `number`, `cosine`,
            `seconds`, `milliseconds`, `bytes`, `count`.
        definition: The formula.
        source: BibTeX keys of its sources, see `nanocl.reporting.publications`.
        compute: The function.
        optional: Left out of a table in which no row has it.
        detail: Left out of the tables in a terminal.
        signed: A difference, which may be negative.
        interval: Shown with the 95 % interval of its mean instead of its standard deviation.
    """

    name: str
    title: str
    kind: str
    unit: str
    definition: str
    source: tuple[str, ...]
    compute: Callable[..., float]
    optional: bool = False
    detail: bool = False
    signed: bool = False
    interval: bool = False

    def bounds(self, measure: str) -> tuple[float, float]:
        """The possible range of its stored values, for an `accuracy` or a `loss`."""
        is_fraction = self.unit == "share" or (self.unit == "score" and measure == "accuracy")
        highest = 1.0 if is_fraction or self.unit == "cosine" else math.inf
        return (-highest if self.signed or self.unit == "cosine" else 0.0), highest

    def __call__(self, *measured: Any) -> float:
        """The metric of one run, as the function computes it."""
        return self.compute(*measured)


def metric(
    title: str,
    definition: str,
    *source: str,
    kind: str = "accuracy",
    unit: str = "score",
    optional: bool = False,
    detail: bool = False,
    signed: bool = False,
    interval: bool = False,
) -> Callable[[Callable[..., float]], Column]:
    """Make a function a column.

    It takes an `Evaluation` (kind `accuracy`), the drift of all experiences and a group (kind
    `drift`), or a `Cost` (kind `cost`), and returns a number or raises `Undefined`.
    """

    def made(function: Callable[..., float]) -> Column:
        name = getattr(function, "__name__", title)
        compute = _refusing_nan(function) if kind == "accuracy" else function
        return Column(
            name,
            title,
            kind,
            unit,
            definition,
            source,
            compute,
            optional=optional,
            detail=detail,
            signed=signed,
            interval=interval,
        )

    return made


def with_nan(rows: Sequence[Cells]) -> Matrix:
    """Rows with NaN for what was not tested: it spreads to every metric that needs the number."""
    return tuple(tuple(map(_or_nan, row)) for row in rows)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _refusing_nan(function: Callable[..., float]) -> Callable[..., float]:
    @wraps(function)
    def compute(*measured: Any) -> float:
        value = function(*measured)
        if math.isnan(value):
            raise Undefined(NOT_TESTED)
        return value

    return compute
