"""The loop that all engines share: what starts next, what is tried again, what ends the call."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Protocol

from nanocl.records import RunFailure, RunResult, RunSpec
from nanocl.records.curves import Message
from nanocl.records.reservations import Reservations

# what one worker executes at a time: a run, or runs that it trains as one model
Task = tuple[RunSpec, ...]
PAUSE = 1.0  # seconds between looks at runs that other processes measure
OnProgress = Callable[[Message], None]


@dataclass(frozen=True)
class Death:
    """The end of a worker in the middle of a run.

    Attributes:
        spec: The run.
        attempt: Which attempt at it that was, from 1.
        tries: How many attempts a run has.
        reason: What is said if that was the last one.
    """

    spec: RunSpec
    attempt: int
    tries: int
    reason: str


class Pool(Protocol):
    """Where runs are executed."""

    @property
    def busy(self) -> Sized:
        """The runs that were started and have not ended."""

    def start(self, task: Task, attempt: int) -> None:
        """Start a task; each of its runs has an outcome of its own."""

    def outcomes(
        self, on_progress: OnProgress, timeout: float | None
    ) -> Iterator[RunResult | RunFailure | Death]:
        """Wait for the workers, at most so many seconds; how runs ended meanwhile."""

    def end(self) -> None:
        """End every worker."""


def run_in(
    pool: Pool,
    tasks: Sequence[Task],
    *,
    workers: int,
    on_progress: OnProgress,
    reservations: Reservations | None,
) -> Generator[RunResult | RunFailure]:
    """Execute tasks in a pool, which ends with them: see `run_all` of the engines."""
    waiting = _Waiting(tasks, reservations)
    try:
        while waiting or pool.busy:
            while len(pool.busy) < workers and (run := waiting.take()):
                pool.start(*run)
            if waiting.elsewhere and len(pool.busy) < workers:
                if not pool.busy:
                    time.sleep(PAUSE)
                waiting.look_again()
            for outcome in pool.outcomes(on_progress, timeout=PAUSE if waiting.here else None):
                if not isinstance(outcome, Death):
                    yield outcome
                elif outcome.attempt < outcome.tries:
                    waiting.again(outcome.spec, outcome.attempt + 1)
                    continue
                else:
                    yield RunFailure(outcome.spec, outcome.reason)
                waiting.release(outcome.spec)
    finally:
        pool.end()
        waiting.release_all()


class _Waiting:
    """Runs that wait to be started here, and those that other processes measure.

    Args:
        tasks: The runs, in tasks.
        reservations: Runs that other processes measure are left to them; None reserves nothing.
    """

    def __init__(self, tasks: Sequence[Task], reservations: Reservations | None) -> None:
        self.reservations = reservations
        self.here = deque((task, 1) for task in tasks)
        self.elsewhere: list[RunSpec] = []

    def __bool__(self) -> bool:
        return bool(self.here or self.elsewhere)

    def take(self) -> tuple[Task, int] | None:
        """The next task to start, reserved, and which attempt it is; None if there is none now."""
        while self.here:
            task, attempt = self.here.popleft()
            if attempt == 1:
                task = tuple(filter(self._is_taken, task))
            if task:
                return task, attempt
        return None

    def _is_taken(self, spec: RunSpec) -> bool:
        """Whether a run is reserved for this process now."""
        state = self.reservations.take(spec) if self.reservations else "taken"
        if state == "busy":
            self.elsewhere.append(spec)
        return state == "taken"

    def again(self, spec: RunSpec, attempt: int) -> None:
        """Let a run that is reserved wait for another attempt."""
        self.here.append(((spec,), attempt))

    def look_again(self) -> None:
        """Ask for the runs of other processes again: they may have ended or died."""
        self.here.extend(((spec,), 1) for spec in self.elsewhere)
        self.elsewhere.clear()

    def release(self, spec: RunSpec) -> None:
        """Give a run back that has ended."""
        if self.reservations:
            self.reservations.release(spec)

    def release_all(self) -> None:
        """Give every run back."""
        if self.reservations:
            self.reservations.release_all()
