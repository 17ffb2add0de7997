"""The runs of a call that have not ended: whichever engine executes them, each is measured once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nanocl.records import RunSpec
from nanocl.records.reservations import Reservations


class Waiting:
    """Runs that wait to be started here, and those that other processes measure.

    Args:
        specs: The runs.
        reservations: Runs that other processes measure are left to them; None reserves nothing.
    """

    def __init__(self, specs: Sequence[RunSpec], reservations: Reservations | None) -> None:
        self.reservations = reservations
        self.here = deque((spec, 1) for spec in specs)
        self.elsewhere: list[RunSpec] = []

    def __bool__(self) -> bool:
        return bool(self.here or self.elsewhere)

    def take(self) -> tuple[RunSpec, int] | None:
        """The next run to start, reserved, and which attempt it is; None if there is none now."""
        while self.here:
            spec, attempt = self.here.popleft()
            if self.reservations is None or attempt > 1:
                return spec, attempt
            state = self.reservations.take(spec)
            if state == "taken":
                return spec, attempt
            if state == "busy":
                self.elsewhere.append(spec)
        return None

    def again(self, spec: RunSpec, attempt: int) -> None:
        """Let a run that is reserved wait for another attempt."""
        self.here.append((spec, attempt))

    def look_again(self) -> None:
        """Ask for the runs of other processes again: they may have ended or died."""
        self.here.extend((spec, 1) for spec in self.elsewhere)
        self.elsewhere.clear()

    def release(self, spec: RunSpec) -> None:
        """Give a run back that has ended."""
        if self.reservations:
            self.reservations.release(spec)

    def release_all(self) -> None:
        """Give every run back."""
        if self.reservations:
            self.reservations.release_all()
