"""What was written of a run's curves, remembered beside them for each place they were written to.

Several calls may log one run, also at the same time: a lock lets one write after the other, and
each reads what the others have written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nanocl.loggers import facts
from nanocl.loggers.kinds import Kind, RunLog
from nanocl.records import RunSpec, files
from nanocl.records.curves import Point

WRITTEN = "written.json"
LOCK = ".lock"
PATIENCE = 60.0  # seconds to wait for another call; writing takes milliseconds, opening seconds
HERE = "folder"  # names the folder itself in the file, which may be moved with the folder
MOST = 2**24  # bytes of the file that are read; a curve takes about 60
Ends = dict[str, tuple[int, float]]  # the last point of each curve


class Written:
    """The log of one run of one kind, and the last point of each of its curves.

    Args:
        kind: The logger.
        folder: Of the logger.
        spec: The run.
        warn: Called with a sentence about a file that cannot be used.
    """

    def __init__(
        self, kind: Kind, folder: Path, spec: RunSpec, warn: Callable[[str], None]
    ) -> None:
        self._kind = kind
        self._facts = facts.of(spec)
        self._name = facts.name_of(spec)
        self._path = folder / self._name / WRITTEN
        self._lock = FileLock(folder / LOCK)
        self._warn = warn
        self._log: RunLog | None = None  # nothing is opened for a run that has nothing new

    def begin_anew(self) -> None:
        """Remove what other calls have written of the run: it trains again from its beginning."""
        self._locked(self._clear)

    def add(self, listed: Sequence[Point]) -> None:
        """Write the points that are not in the log."""
        if listed:
            self._locked(lambda: self._add(listed))

    def add_record(self, listed: Sequence[Point]) -> None:
        """Write all points of a record; anew if the log has those of a record that it replaced."""
        if listed:
            self._locked(lambda: self._add(listed, is_record=True))

    def close(self) -> None:
        """End the log, so that everything is on disk."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _locked(self, action: Callable[[], None]) -> None:
        Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock.acquire(timeout=PATIENCE):
                action()
        except Timeout:
            raise TimeoutError(
                f"another call has held {self._lock.lock_file} for {PATIENCE:.0f} s"
            ) from None

    def _add(self, listed: Sequence[Point], *, is_record: bool = False) -> None:
        ends = self._ends()
        if is_record and any(_contradicts(point, ends) for point in listed):
            self._clear()
            ends = {}
        new = [point for point in listed if point.step > _end_of(point, ends)]
        if not new:
            return
        if not ends:
            self._clear()  # a log of which nothing is remembered
        for point in new:
            if point.step > _end_of(point, ends):
                ends[point.name] = (point.step, point.value)
        # before the points: an interruption between the two loses them rather than doubles them
        self._remember(ends)
        if self._log is None:
            self._log = self._kind.open(self._name, self._facts)
        self._log.write(new)

    def _ends(self) -> Ends:
        """The last points at the place of this logger; none if the log is not there any more."""
        ends = self._remembered().get(self._address, {})
        if ends and self._log is None and not self._kind.holds(self._name, self._facts):
            return {}
        return ends

    def _clear(self) -> None:
        self.close()
        self._kind.clear(self._name, self._facts)
        self._remember({})

    @property
    def _address(self) -> str:
        return self._kind.address or HERE

    def _remember(self, ends: Ends) -> None:
        by_address = self._remembered()
        had = by_address.pop(self._address, None)
        if ends:
            by_address[self._address] = ends
        if ends or had:
            files.write(self._path, json.dumps(by_address))

    def _remembered(self) -> dict[str, Ends]:
        try:
            content = json.loads(files.read(self._path, MOST))
            return {address: _ends_of(curves) for address, curves in content.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            self._path.unlink()
            self._warn(f"{self._path} is damaged, so the curves of its run begin anew: {error}")
            return {}


def _ends_of(curves: Mapping[str, Any]) -> Ends:
    return {name: (int(step), float(value)) for name, (step, value) in curves.items()}


def _end_of(point: Point, ends: Ends) -> int:
    """The last step of a point's curve; -1 without one."""
    return ends[point.name][0] if point.name in ends else -1


def _contradicts(point: Point, ends: Ends) -> bool:
    """Whether the log has another value for a point."""
    step, value = ends.get(point.name, (-1, 0.0))
    if step != point.step or (math.isnan(value) and math.isnan(point.value)):
        return False
    return not math.isclose(value, point.value, rel_tol=1e-9, abs_tol=1e-12)
