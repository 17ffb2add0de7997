"""The curves of a call's runs: one writer, in the process of the command.

Workers send what they measure, as they send progress, and this process alone writes, as it alone
writes records. So a run on another machine, or in a stack of seeds, is logged as any other, no two
processes write one file, and libraries such as wandb are loaded once and not in every worker.
Avalanche's own loggers would run in the workers, and name what Avalanche measures: not our metrics.

What is in a log already is not written again. A run that resumes from a checkpoint sends the points
since then once more; they are the same numbers.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nanocl.loggers import facts, points
from nanocl.loggers.kinds import Kind, RunLog, kind
from nanocl.records import RunResult, RunSpec, UserError, files
from nanocl.records.curves import Point, ResultSoFar, TrainingPoints

FOLDER = "logs"  # in a results folder
STEPS = "steps.json"


@dataclass
class Log:
    """The log of a call. A logger that fails is given up with one warning; the runs go on.

    Attributes:
        kinds: The loggers by name.
        folder: Where they write, each in a folder of its name.
        warn: Called with a sentence about a logger that failed.
    """

    kinds: dict[str, Kind]
    folder: Path
    warn: Callable[[str], None]
    _open: dict[tuple[str, str], _Written] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Sequence[str], folder: Path, warn: Callable[[str], None]) -> Log:
        """A log for the loggers of these names.

        Raises:
            UserError: The library of one is missing.
        """
        log = cls({}, folder, warn)
        for name in names:
            try:
                log.kinds[name] = kind(name, folder / name)
            except UserError:
                raise
            except Exception as error:  # such as a server that does not answer
                log._give_up(name, error)
        return log

    def take(self, spec: RunSpec, message: TrainingPoints | ResultSoFar) -> None:
        """Write what the worker of a run sent."""
        if isinstance(message, TrainingPoints):
            self._write(spec, message.points)
            return
        trained = len(message.result.evaluation)
        # with the first experience comes what was measured before it
        self._write(spec, points.of(message.result, first=trained if trained > 1 else 0))

    def record(self, result: RunResult) -> None:
        """Write what the record of a run has and its log has not; nothing follows."""
        self._write(result.spec, points.of(result))
        self._each(result.spec, _Written.close)
        for name in self.kinds:
            self._open.pop((name, result.spec.digest), None)

    def close(self) -> None:
        """End the logs of all runs."""
        for (name, _), written in list(self._open.items()):
            self._try(name, written.close)
        self._open.clear()

    def where(self) -> str:
        """One sentence that says where the curves are, and how to look at them."""
        told = [f"{self.folder / name} ({kind.look})" for name, kind in self.kinds.items()]
        return f"curves are in {', '.join(told)}"

    def _write(self, spec: RunSpec, new: Iterable[Point]) -> None:
        listed = list(new) if self.kinds else []
        self._each(spec, lambda written: written.add(listed))

    def _each(self, spec: RunSpec, action: Callable[[_Written], None]) -> None:
        for name in list(self.kinds):
            self._try(name, lambda name=name: action(self._log_of(name, spec)))  # type: ignore[misc]

    def _log_of(self, name: str, spec: RunSpec) -> _Written:
        key = (name, spec.digest)
        if key not in self._open:
            self._open[key] = _Written(self.kinds[name], self.folder / name, spec)
        return self._open[key]

    def _try(self, name: str, action: Callable[[], None]) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the library; not about the runs
                action()
        except Exception as error:  # a full disk, or whatever a library raises
            self._give_up(name, error)

    def _give_up(self, name: str, error: Exception) -> None:
        self.kinds.pop(name, None)
        for key in [key for key in self._open if key[0] == name]:
            with suppress(Exception):
                self._open.pop(key).close()
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        self.warn(f"--log {name} was given up, the runs go on without it: {reason}")


class _Written:
    """The log of one run of one kind, and the last step of each of its curves."""

    def __init__(self, kind: Kind, folder: Path, spec: RunSpec) -> None:
        self._kind = kind
        self._spec = spec
        self._log: RunLog | None = None  # nothing is opened for a run that has nothing new
        self._name = facts.name_of(spec)
        self._path = folder / self._name / STEPS
        self._steps: dict[str, int] = {}
        with suppress(OSError, ValueError):
            self._steps = json.loads(self._path.read_text(encoding="utf-8"))

    def add(self, listed: Sequence[Point]) -> None:
        """Write the points that are not in the log."""
        new = [point for point in listed if point.step > self._steps.get(point.name, -1)]
        if not new:
            return
        for point in new:
            self._steps[point.name] = max(point.step, self._steps.get(point.name, -1))
        # before the points: an interruption between the two loses them rather than doubles them
        files.write(self._path, json.dumps(self._steps))
        if self._log is None:
            self._log = self._kind.open(self._name, facts.of(self._spec))
        self._log.write(new)

    def close(self) -> None:
        """End the log, so that everything is on disk."""
        if self._log is not None:
            self._log.close()
            self._log = None
