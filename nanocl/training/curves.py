"""The loss and the drift of a run while it trains, for its loggers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin

from nanocl.records.curves import TRAINING, Point, TrainingPoints
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter

LOSS_EVERY = 10  # mini-batches in one mean
PAUSE = 2.0  # seconds from one message to the next: a message for each point would slow training


class Curves(SupervisedPlugin):
    """Send the loss of mini-batches, and after each epoch the drift since the start of the stream.

    A point of the loss is the mean over LOSS_EVERY mini-batches, or over those that are left at the
    end of an experience. It is the loss that the learner steps on, with the penalties of its
    strategies. Neither changes training.

    Args:
        digest: Of the run.
        meter: Counts the mini-batches, before this plugin; stands still while drift is measured.
        drift: Measures the drift.
        tell: Called with points, at most every PAUSE seconds within an experience.
    """

    def __init__(
        self, digest: str, meter: Meter, drift: DriftMeter, tell: Callable[[TrainingPoints], None]
    ) -> None:
        super().__init__()
        self._digest = digest
        self._meter = meter
        self._drift = drift
        self._tell = tell
        self._told = time.monotonic()
        self._count = 0  # mini-batches since the last point
        self._sum = torch.zeros((), dtype=torch.float64)
        # sums stay on the device until they are sent: reading them lets the host wait
        self._means: list[tuple[int, torch.Tensor, int]] = []
        self._points: list[Point] = []

    def state_dict(self) -> dict[str, Any]:
        """The sum that is no point yet; the points before it are sent now, not again later."""
        self._send()
        return {"sum": float(self._sum), "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._sum = torch.tensor(state["sum"], dtype=torch.float64)
        self._count = state["count"]

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        loss = strategy.loss.detach().double()
        self._sum = self._sum.to(loss.device) + loss
        self._count += 1
        if self._count == LOSS_EVERY:
            self._end_mean()
        if time.monotonic() - self._told > PAUSE:
            self._send()

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        with self._meter.paused():
            drift = self._drift.look(strategy.model)
        for group, columns in drift.start.items():
            for column, value in columns.items():
                if value is not None:
                    self._add(f"{group}.{column}", self._meter.steps, value)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.end()

    def end(self) -> None:
        """Send what is left, also of an experience in which the loss became infinite."""
        if self._count:
            self._end_mean()
        self._send()

    def _end_mean(self) -> None:
        self._means.append((self._meter.steps, self._sum, self._count))
        self._sum = torch.zeros((), dtype=torch.float64)
        self._count = 0

    def _send(self) -> None:
        for step, total, count in self._means:
            self._add("loss", step, total.item() / count)
        if self._points:
            resumed = self._meter.resumed > 0
            self._tell(TrainingPoints(self._digest, tuple(self._points), resumed))
        self._means.clear()
        self._points.clear()
        self._told = time.monotonic()

    def _add(self, name: str, step: int, value: float) -> None:
        self._points.append(Point(f"{TRAINING}{name}", step, value))
