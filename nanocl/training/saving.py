"""The checkpoints of one run while it trains: when they are written, and what if they cannot be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanocl.records import RunSpec
from nanocl.training import checkpoint
from nanocl.training.checkpoint_files import within
from nanocl.training.constants import changed, constants_of
from nanocl.training.drift import DriftMeter
from nanocl.training.loop import Learner
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome


@dataclass
class Saving:
    """Writes checkpoints and goes on from them; a file that cannot be written stops no training.

    Attributes:
        path: Of the checkpoint.
        spec, learner, meter, drift: The run.
        minutes: From one checkpoint to the next within an experience; 0 writes none there.
        notify: Called with what the caller should know.
        on_written: Called with each file of a checkpoint that was written.
    """

    path: Path
    spec: RunSpec
    learner: Learner
    meter: Meter
    drift: DriftMeter
    minutes: float
    notify: Callable[[str], None]
    on_written: Callable[[Path], None] = lambda path: None

    def __post_init__(self) -> None:
        self._constants = self._constants_now()
        self._begun: tuple[int, dict[str, Any]] = (-1, {})

    def resume(self) -> Outcome | None:
        """Put the learner where the checkpoint was written; None without one.

        Raises:
            checkpoint.Unusable: The checkpoint cannot be used, and the learner may have changed.
        """
        outcome = None
        if self.path.exists():
            try:
                outcome = checkpoint.load(
                    self.path, self.spec, self.learner, self.meter, self.drift
                )
            except Exception as error:  # a plugin's state may fail to load in any way
                raise checkpoint.Unusable(str(error)) from error
        trained = len(outcome.evaluation) if outcome else 0
        try:
            self.learner.resumption = checkpoint.load_within(
                self.path, self.spec, self.learner, self.meter, trained
            )
        except (checkpoint.Unusable, OSError) as error:
            within(self.path).unlink(missing_ok=True)
            self.notify(f"starting the experience again, its checkpoint was not usable: {error}")
        self._written = time.monotonic()
        if self.minutes:
            self.learner.after_iteration = self.within
        return outcome

    def after_experience(self, outcome: Outcome) -> None:
        """Write the checkpoint."""
        try:
            self._check_constants(self._constants)
            checkpoint.save(self.path, self.spec, self.learner, self.meter, self.drift, outcome)
            self.on_written(self.path)
        except (OSError, checkpoint.Unsavable) as error:
            self._say(error)
        self._written = time.monotonic()

    def within(self) -> None:
        """Write where the experience is, if it is time.

        The hooks before the experience run again when it goes on: only what was changed since then
        would be lost.
        """
        number = self.learner.experience.current_experience
        if number != self._begun[0]:
            self._begun = (number, self._constants_now())
        if time.monotonic() - self._written < 60 * self.minutes:
            return
        try:
            with self.meter.paused():
                self._check_constants(self._begun[1])
                checkpoint.save_within(self.path, self.spec, self.learner, self.meter)
                self.on_written(within(self.path))
        except (OSError, checkpoint.Unsavable) as error:
            self._say(error)
        self._written = time.monotonic()

    def _constants_now(self) -> dict[str, Any]:
        return constants_of(self.learner, own_model=bool(self.spec.model.plugin))

    def _check_constants(self, before: Mapping[str, Any]) -> None:
        name = changed(before, self._constants_now())
        if name:
            raise checkpoint.Unsavable(f"{name} changed, which it does not hold")

    def _say(self, error: Exception) -> None:
        self.notify(f"training on without a checkpoint, it cannot be written: {error}")
