"""The curves of a call's runs: one writer, in the process of the command.

Workers send what they measure, as they send progress, and this process alone writes, as it alone
writes records. So a run on another machine, or in a stack of seeds, is logged as any other, no two
processes write one file, and libraries such as wandb are loaded once and not in every worker.
Avalanche's own loggers would run in the workers, and name what Avalanche measures: not our metrics.

A run that trains from its beginning begins its log anew: nothing of an earlier measurement stays
beside the new numbers. A run that resumes from a checkpoint sends the points since then once more;
they are the same numbers, and what is in the log already is not written again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nanocl.loggers import points
from nanocl.loggers.kinds import Kind, kind
from nanocl.loggers.written import Written
from nanocl.records import RunResult, RunSpec, UserError
from nanocl.records.curves import Point, ResultSoFar, TrainingPoints

FOLDER = "logs"  # in a results folder


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
    _open: dict[tuple[str, str], Written] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)  # digests of runs that sent something

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
        if spec.digest not in self._begun:
            self._begun.add(spec.digest)
            if not message.resumed:
                self._each(spec, Written.begin_anew)
        if isinstance(message, TrainingPoints):
            new = [*message.points]
        else:
            trained = len(message.result.evaluation)
            # with the first experience comes what was measured before it
            new = self._points(message.result, first=trained if trained > 1 else 0)
        self._each(spec, lambda written: written.add(new))

    def record(self, result: RunResult) -> None:
        """Write what the record of a run has and its log has not; nothing follows."""
        listed = self._points(result)
        self._each(result.spec, lambda written: written.add_record(listed))
        self._each(result.spec, Written.close)
        for name in self.kinds:
            self._open.pop((name, result.spec.digest), None)

    def close(self) -> None:
        """End the logs of all runs."""
        for (name, _), written in list(self._open.items()):
            self._try(name, written.close)
        self._open.clear()

    def where(self) -> str:
        """One sentence that says where the curves are, and how to look at them."""
        told = [
            f"{kind.address or self.folder / name} ({kind.look})"
            for name, kind in self.kinds.items()
        ]
        return f"curves are in {', '.join(told)}"

    def _points(self, result: RunResult, *, first: int = 0) -> list[Point]:
        return [*points.of(result, first=first)] if self.kinds else []

    def _each(self, spec: RunSpec, action: Callable[[Written], None]) -> None:
        for name in list(self.kinds):
            self._try(name, partial(self._do, action, name, spec))

    def _do(self, action: Callable[[Written], None], name: str, spec: RunSpec) -> None:
        action(self._log_of(name, spec))

    def _log_of(self, name: str, spec: RunSpec) -> Written:
        key = (name, spec.digest)
        if key not in self._open:
            self._open[key] = Written(self.kinds[name], self.folder / name, spec, self.warn)
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
