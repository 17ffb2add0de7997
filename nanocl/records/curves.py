"""What the worker of a logged run sends: points of curves, and the record so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from nanocl.records import Notice, Progress, RunResult

LOGGERS = ("csv", "tensorboard", "wandb", "mlflow")
TRAINING = "training/"  # begins the names of curves over mini-batches; the others: experiences


class Point(NamedTuple):
    """A point of a curve.

    Attributes:
        name: Of the curve.
        step: Mini-batches trained so far, or experiences trained so far; see `axis`.
        value: The number.
    """

    name: str
    step: int
    value: float

    @property
    def axis(self) -> str:
        """What `step` counts."""
        return "mini-batches" if self.name.startswith(TRAINING) else "experiences"


@dataclass(frozen=True)
class TrainingPoints:
    """New points of the curves over mini-batches, of the run with this digest.

    Attributes:
        resumed: Whether the run went on from a checkpoint, so that earlier points were sent before.
    """

    digest: str
    points: tuple[Point, ...]
    resumed: bool = False


@dataclass(frozen=True)
class ResultSoFar:
    """The record of a run that goes on, after the experience that it was tested after last."""

    result: RunResult

    @property
    def digest(self) -> str:
        """The digest of the run."""
        return self.result.spec.digest

    @property
    def resumed(self) -> bool:
        """As of `TrainingPoints`."""
        return self.result.cost.resumed > 0


Message = Progress | Notice | TrainingPoints | ResultSoFar
