"""What a run has measured so far, and the tests that fill it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from avalanche.training.templates import SupervisedTemplate

from nanocl.records import Drift, Training
from nanocl.streams import Scenario
from nanocl.training.observers import Scores

Cells = list[float | None]
Rows = tuple[Cells, Cells, Cells]  # of R, of masked heads, on held-out data (empty without such)


@dataclass
class Outcome:
    """What a run has measured so far.

    Attributes:
        status: `ok` or `diverged`.
        initial, masked_initial: The untrained model on each experience.
        evaluation, masked: One row per experience trained; None where an experience was not tested.
        drift: One entry per experience trained.
        validation: As `evaluation`, on the data that the stream holds out; empty without such.
        mastery: How each experience ended, see `RunResult.mastery`.
        function: How far the function moved in each experience, see `RunResult.function`.
    """

    status: str = "ok"
    initial: list[float] = field(default_factory=list)
    masked_initial: list[float] = field(default_factory=list)
    evaluation: list[Cells] = field(default_factory=list)
    masked: list[Cells] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    validation: list[Cells] = field(default_factory=list)
    mastery: list[dict[str, Any]] = field(default_factory=list)
    function: list[dict[str, Any]] = field(default_factory=list)

    def untrained(self, held: int) -> Rows:
        """The rows of an experience that is not trained, with this number of held-out ones."""
        return [*self.initial], [*self.masked_initial], [None] * held

    def add(self, rows: Rows) -> bool:
        """Add the rows of an experience; False with status `diverged` if a result is infinite."""
        row, masked, held = rows
        if not all(math.isfinite(value) for value in row if value is not None):
            self.status = "diverged"
            return False
        self.evaluation.append(row)
        self.masked.append(masked)
        if held:
            self.validation.append(held)
        return True


def tested(scenario: Scenario, training: Training, count: int) -> tuple[list[Any], list[Any]]:
    """The first `count` experiences to test, and those of held-out data beside test data."""
    tests = list(getattr(scenario, f"{training.measured_on}_stream"))[:count]
    if training.measured_on != "test" or "validation" not in scenario.streams:
        return tests, []
    return tests, list(scenario.validation_stream)[:count]


def rows_of(
    learner: SupervisedTemplate,
    tests: Sequence[Any],
    held: Sequence[Any],
    scores: Scores,
    chosen: Sequence[int],
) -> Rows:
    """Test the learner on the experiences `chosen`, and on their held-out data if there are any."""
    # the test data last: `FunctionMeter` keeps the features of the last test
    on_held = _cells(learner, held, scores, chosen)[0] if held else []
    return *_cells(learner, tests, scores, chosen), on_held


def _cells(
    learner: SupervisedTemplate, tests: Sequence[Any], scores: Scores, chosen: Sequence[int]
) -> tuple[Cells, Cells]:
    learner.eval([tests[number] for number in chosen])
    values = dict(zip(chosen, zip(scores.row, scores.masked, strict=True), strict=True))
    cells = [values.get(number, (None, None)) for number in range(len(tests))]
    return [cell[0] for cell in cells], [cell[1] for cell in cells]
