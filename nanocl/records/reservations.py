"""Several calls that share a results folder divide its runs: each run is measured once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from nanocl.records.spec import RunSpec

State = Literal["taken", "busy", "measured"]


class Reservations:
    """Locks on runs, one file for each; the system releases those of a process that dies.

    Args:
        folder: Folder of the lock files.
        is_measured: Whether a run needs no measurement any more.
    """

    def __init__(self, folder: Path, is_measured: Callable[[RunSpec], bool]) -> None:
        self.folder = folder
        self.is_measured = is_measured
        self._locks: dict[str, FileLock] = {}

    def take(self, spec: RunSpec) -> State:
        """Reserve a run for this process.

        Returns:
            `taken`; `busy` if another process measures it now; `measured` if one has done so.

        Raises:
            OSError: The folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{spec.digest}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return "busy"
        self._locks[spec.digest] = lock
        # looked at only now: the process that held the lock may have stored its record just before
        if self.is_measured(spec):
            self.release(spec)
            return "measured"
        return "taken"

    def release(self, spec: RunSpec) -> None:
        """Give a run back; nothing if it is not reserved here."""
        lock = self._locks.pop(spec.digest, None)
        if lock:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def release_all(self) -> None:
        """Give back every run."""
        for lock in self._locks.values():
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
        self._locks = {}
