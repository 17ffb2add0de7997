"""What a run measures of its learner: which cells of the evaluation matrix, and how often."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nanocl.records import UserError
from nanocl.records.ranges import did_you_mean

MODES = ("all", "seen", "last", "every:K")
ONCE = 1_000_000  # mini-batches between tests within an experience: only the one at its end
TRACKED_SAMPLES = 1000  # of each experience's test set, as in De Lange et al., 2023


class Measured(Protocol):
    """A record, as far as this module reads it."""

    @property
    def evaluate(self) -> str:
        """As `Measuring.evaluate`."""

    @property
    def tracking(self) -> Mapping[str, Any]:
        """`every` and `points`, or empty."""

    @property
    def initial(self) -> Sequence[float]:
        """The untrained model on each experience."""


@dataclass(frozen=True)
class Measuring:
    """What is measured beside what every record has. None of it changes what a learner learns.

    Attributes:
        evaluate: Which experiences are tested after each experience. `all`: every one, which
            forward transfer needs. `seen`: those trained so far. `last`: the one just trained, and
            all after the last. `every:K`: as `seen` after every K-th experience and the last, else
            as `last`.
        track_every: Mini-batches from one test within an experience to the next; 0 tests none
            there.
    """

    evaluate: str = "all"
    track_every: int = 0

    def __post_init__(self) -> None:
        if not is_mode(self.evaluate):
            raise ValueError(
                f"evaluate must be all, seen, last or every:K with K at least 1, got "
                f"{self.evaluate!r}{did_you_mean(self.evaluate, MODES)}"
            )
        if self.track_every < 0:
            raise ValueError(
                f"track_every must be at least 1, or 0 for no tests within an experience, got "
                f"{self.track_every}"
            )

    def tests(self, trained: int, count: int) -> list[int]:
        """The experiences to test after training on number `trained` of `count`, from 0."""
        if self.evaluate == "all":
            return list(range(count))
        interval = {"seen": 1, "last": count}.get(self.evaluate) or _interval(self.evaluate)
        if (trained + 1) % interval == 0 or trained == count - 1:
            return list(range(trained + 1))
        return [trained]

    def is_in(self, record: Measured) -> bool:
        """Whether a record has everything that is to be measured.

        Raises:
            UserError: It has tests within experiences at another interval.
        """
        theirs = of(record)
        self.joined(theirs)
        return theirs.covers(self, len(record.initial))

    def covers(self, other: Measuring, count: int) -> bool:
        """Whether it has every test of the other one, in a stream of `count` experiences."""
        has_cells = all(
            set(other.tests(trained, count)) <= set(self.tests(trained, count))
            for trained in range(count)
        )
        return has_cells and other.track_every in (0, self.track_every)

    def joined(self, other: Measuring) -> Measuring:
        """What both measure, so that a record can take the place of another one.

        Raises:
            UserError: They track at different intervals.
        """
        intervals = {self.track_every, other.track_every} - {0}
        if len(intervals) > 1:
            raise UserError(
                f"--track-every {self.track_every}: these runs are recorded with tests every "
                f"{other.track_every} mini-batches, which would be lost; use --track-every "
                f"{other.track_every}, or another folder with --results"
            )
        modes = sorted({self.evaluate, other.evaluate}, key=_rank)
        both_skip = len(modes) == 2 and _rank(modes[0]) == _rank(modes[1])
        return Measuring("seen" if both_skip else modes[0], max(intervals, default=0))


def of(record: Measured) -> Measuring:
    """What a record has measured."""
    return Measuring(record.evaluate, int(record.tracking.get("every", 0)))


def is_mode(evaluate: Any) -> bool:
    """Whether it is one of `MODES`."""
    return isinstance(evaluate, str) and (evaluate in MODES[:3] or _interval(evaluate) > 0)


def _rank(evaluate: str) -> int:
    """Modes with more tests come first; each has those of the modes behind it."""
    return ("all", "seen", "every", "last").index(evaluate.partition(":")[0])


def _interval(evaluate: str) -> int:
    """K of `every:K`; 0 for anything else."""
    match = re.fullmatch(r"every:(\d{1,6})", evaluate)
    return int(match[1]) if match else 0
