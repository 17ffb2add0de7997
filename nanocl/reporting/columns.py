"""What a column of a table is, what it is computed from, and how a function becomes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nanocl.records import Matrix, Row


class Undefined(ValueError):
    """The run at hand does not define this metric; the message is the reason."""


class Evaluation(NamedTuple):
    """What the metrics of accuracy read.

    Attributes:
        initial: The untrained model on each of the T experiences.
        matrix: T rows, R[i][j].
        measure: `accuracy` or `loss`.
        joint: What joint training reached under the same protocol and seed, or None.
        masked: R with the prediction limited to each experience's own classes, or None. Where
            classes that were not met are closed, entries j > i are None.
    """

    initial: Row
    matrix: Matrix
    measure: str = "accuracy"
    joint: Evaluation | None = None
    masked: Matrix | None = None

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.measure == "accuracy" else -1


@dataclass(frozen=True)
class Column:
    """How a metric is shown and what it means.

    Attributes:
        name: The function's name.
        title: Column header.
        kind: Which table: `accuracy`, `drift` or `cost`; decides what the function is given (see
            `metric`).
        unit: `score` (percent, or the loss itself), `share` (percent), `number`, `cosine`,
            `seconds`, `milliseconds`, `bytes`, `count`.
        definition: The formula.
        source: BibTeX keys of its sources, see `nanocl.reporting.citation`.
        compute: The function.
        optional: Left out of a table in which no row has it.
        detail: Left out of what a terminal shows.
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


def metric(
    title: str,
    definition: str,
    *source: str,
    kind: str = "accuracy",
    unit: str = "score",
    optional: bool = False,
    detail: bool = False,
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Make a function a column.

    It takes an `Evaluation` (kind `accuracy`), the drift of all experiences and a group (kind
    `drift`), or a `Cost` (kind `cost`), and returns a number or raises `Undefined`.
    """

    def mark(function: Callable[..., float]) -> Callable[..., float]:
        function.column = Column(
            function.__name__, title, kind, unit, definition, source, function, optional, detail
        )
        return function

    return mark
