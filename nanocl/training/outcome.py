"""What a run has measured so far, and the tests that fill it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from avalanche.training.templates import SupervisedTemplate

from nanocl.records import Drift
from nanocl.training.observers import Scores

Cells = list[float | None]


@dataclass
class Outcome:
    """What a run has measured so far.

    Attributes:
        status: `ok` or `diverged`.
        initial, masked_initial: The untrained model on each experience.
        evaluation, masked: One row per experience trained; None where an experience was not tested.
        drift: One entry per experience trained.
        mastery: How each experience ended, see `RunResult.mastery`.
        function: How far the function moved in each experience, see `RunResult.function`.
    """

    status: str = "ok"
    initial: list[float] = field(default_factory=list)
    masked_initial: list[float] = field(default_factory=list)
    evaluation: list[Cells] = field(default_factory=list)
    masked: list[Cells] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    mastery: list[dict[str, Any]] = field(default_factory=list)
    function: list[dict[str, Any]] = field(default_factory=list)


def rows_of(
    learner: SupervisedTemplate, tests: Sequence[Any], scores: Scores, chosen: Sequence[int]
) -> tuple[Cells, Cells]:
    """Test the learner on the experiences `chosen`: their row of R, and the one of masked heads."""
    learner.eval([tests[number] for number in chosen])
    values = dict(zip(chosen, zip(scores.row, scores.masked, strict=True), strict=True))
    cells = [values.get(number, (None, None)) for number in range(len(tests))]
    return [cell[0] for cell in cells], [cell[1] for cell in cells]
