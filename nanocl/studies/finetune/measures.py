"""The quantities by which two arms are compared, each one number for each seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nanocl.studies.finetune import matched
from nanocl.studies.finetune.points import Seeds


@dataclass(frozen=True)
class Measure:
    """A comparison of two arms.

    Attributes:
        compute: From the points of both arms to one difference for each seed, of logarithms if
            `ratio`.
        words: The compared quantity, with two places for the names of the arms.
        ratio: Whether the effect is a ratio.
    """

    compute: Callable[[Seeds, Seeds], tuple[float, ...]]
    words: str
    ratio: bool = False

    @property
    def unit(self) -> str:
        """Unit of the effect, empty for a ratio."""
        return "" if self.ratio else "points"


OLD = Measure(
    matched.old_difference,
    "old-task accuracy at equal new-task accuracy, {} - {}",
)
TUNED = Measure(
    matched.tuned_difference,
    "old-task accuracy where each learns the new task best, {} - {}",
)
NEW = Measure(
    matched.new_difference,
    "best new-task accuracy, {} - {}",
)
DRIFT = Measure(
    matched.drift_ratio,
    "L2 drift at equal new-task accuracy, {} / {}",
    ratio=True,
)
RATE = Measure(
    matched.rate_ratio,
    f"largest learning rate that both ran within {100 * matched.TOLERANCE:g} points of the arm's "
    "best, {} / {}",
    ratio=True,
)
