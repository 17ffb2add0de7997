"""Progress of runs: bars in a terminal, elsewhere a line at the start, at intervals and at ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from nanocl.records import Cells, Notice, Progress, RunFailure, RunResult, RunSpec

SILENCE = 30.0  # longest time in seconds without a line where there is no terminal


class Display:
    """The number of runs, the time left, and experience, epoch and speed of each current run.

    Args:
        specs: The runs to execute.
        measured: How many others are measured already.
        quiet: Show only what the caller should know of a run.
    """

    def __init__(self, specs: Sequence[RunSpec], *, measured: int = 0, quiet: bool = False) -> None:
        self.quiet = quiet
        self.specs = {spec.digest: spec for spec in specs}
        self.shares = dict.fromkeys(self.specs, 0.0)
        self.console = _console()
        self.started = time.monotonic()
        self.ended = 0
        self.tasks: dict[str, TaskID] = {}
        self.bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self.total = self.bars.add_task(_runs(len(specs)), total=1.0, detail="")
        self.said = time.monotonic()
        if measured:
            self._say(f"{_runs(measured)} measured already; {len(specs)} to go")
        elif not self.console.is_terminal:
            self._say(f"{_runs(len(specs))} to go")

    def __enter__(self) -> Display:
        self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()

    def update(self, progress: Progress | Notice) -> None:
        """Show what a worker sent."""
        spec = self.specs[progress.digest]
        if isinstance(progress, Notice):
            self._print(f"{spec.strategy_name} seed {spec.seed}: {progress.text}")
            return
        if progress.digest not in self.tasks:
            self.tasks[progress.digest] = self.bars.add_task(
                f"  {spec.strategy_name} seed {spec.seed}",
                total=1.0,
                detail="",
            )
        detail = (
            f"experience {progress.experience}/{progress.experiences}  "
            f"epoch {progress.epoch}/{progress.epochs}  "
            f"{progress.samples_per_second:,.0f} samples/s"
        )
        self.bars.update(self.tasks[progress.digest], completed=progress.fraction, detail=detail)
        self._share(progress.digest, progress.fraction)
        if not self.console.is_terminal and time.monotonic() - self.said > SILENCE:
            done = sum(self.shares.values()) / len(self.shares)
            self._say(
                f"[{self.ended}/{len(self.specs)}] {100 * done:.0f} % done, {self._left(done)}; "
                f"{spec.strategy_name} seed {spec.seed}: {detail}"
            )

    def finish(self, outcome: RunResult | RunFailure) -> None:
        """Show the outcome of a run."""
        digest = outcome.spec.digest
        if digest in self.tasks:
            self.bars.remove_task(self.tasks.pop(digest))
        self.ended += 1
        self._share(digest, 1.0)
        if not self.console.is_terminal or isinstance(outcome, RunFailure):
            self._say(self._line(outcome))

    def _share(self, digest: str, share: float) -> None:
        self.shares[digest] = share
        done = sum(self.shares.values()) / len(self.shares)
        left = self._left(done) if 0.02 < done < 1 else ""
        self.bars.update(
            self.total,
            completed=done,
            detail=f"{self.ended}/{len(self.specs)} runs  {left}",
        )

    def _left(self, done: float) -> str:
        return _left(self.started, done)

    def _say(self, line: str) -> None:
        if not self.quiet:
            self._print(line)

    def _print(self, line: str) -> None:
        self.said = time.monotonic()
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self, outcome: RunResult | RunFailure) -> str:
        spec = outcome.spec
        count = f"[{self.ended}/{len(self.specs)}]"
        head = f"{count} {spec.protocol} {spec.strategy_name} seed {spec.seed}"
        if isinstance(outcome, RunFailure):
            return f"{head}: failed, {outcome.error}"
        if outcome.status == "diverged":
            experience = len(outcome.evaluation) + 1
            seconds = outcome.cost.train_seconds
            return f"{head}: diverged in experience {experience}, {seconds:.1f} s"
        final = _mean(outcome.evaluation[-1])
        value = (
            f"accuracy {100 * final:.1f} %"
            if outcome.measure == "accuracy"
            else f"loss {final:.4g}"
        )
        return f"{head}: {value}, {outcome.cost.train_seconds:.1f} s of training"


class StudyDisplay:
    """One bar for a study in a terminal, elsewhere a line at the start and at intervals.

    Args:
        title: Name of the study.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.console = _console()
        self.started = time.monotonic()
        self.said = 0.0
        self.bar = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task(title, total=1.0, detail="")

    def __enter__(self) -> StudyDisplay:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def update(self, share: float, what: str) -> None:
        """Show that `share` in [0, 1] of the study is done, and its current part."""
        left = _left(self.started, share) if 0.02 < share < 1 else ""
        self.bar.update(self.task, completed=share, detail=f"{what}  {left}")
        now = time.monotonic()
        if not self.console.is_terminal and (not self.said or now - self.said > SILENCE):
            self.said = now
            line = f"{self.title}: {100 * share:.0f} % done, {what}{', ' * bool(left)}{left}"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)


def _console() -> Console:
    """stderr. Bars are for terminals: not for a file with FORCE_COLOR set, nor for a notebook."""
    force = None if sys.stderr.isatty() else False
    return Console(stderr=True, force_terminal=force, force_jupyter=False)


def _left(started: float, done: float) -> str:
    if not done:
        return "time left unknown"
    seconds = (time.monotonic() - started) * (1 - done) / done
    return f"about {seconds:.0f} s left" if seconds < 120 else f"about {seconds / 60:.0f} min left"


def _mean(row: Cells) -> float:
    values = [value for value in row if value is not None]
    return sum(values) / len(values)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
