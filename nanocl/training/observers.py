"""Plugins that observe training and evaluation: scores, counts, divergence."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin

from nanocl.training.measure import Meter


class Diverged(Exception):
    """The loss became infinite or NaN."""


class Scores(SupervisedPlugin):
    """Collect the test result of each experience while the learner evaluates.

    Attributes:
        row: One value per experience of the stream evaluated last: accuracy, or mean squared error.
        masked: The accuracy with the prediction limited to the experience's own classes.
    """

    def __init__(self, measure: str) -> None:
        super().__init__()
        self.measure = measure
        self.row: list[float] = []
        self.masked: list[float] = []

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        self.row = []
        self.masked = []

    def before_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        # sums of hits or of squared errors, on the device: reading them per mini-batch would let
        # the host wait
        self._sum = self._masked = torch.zeros((), dtype=torch.float64, device=strategy.device)
        self._finite = torch.ones((), dtype=torch.bool, device=strategy.device)
        self._count = 0

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        output = strategy.mb_output
        target = strategy.mb_y
        self._finite = self._finite & output.isfinite().all()
        self._count += len(target)
        if self.measure == "loss":
            self._sum = self._sum + (output - target).square().mean(1).sum()
            return
        self._sum = self._sum + (output.argmax(1) == target).sum()
        if strategy.model.kind in ("seen", "all"):
            limited = strategy.model.limit(output, strategy.mb_task_id)
            self._masked = self._masked + (limited.argmax(1) == target).sum()

    def after_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        if not self._finite:
            raise Diverged("the model's outputs are infinite or NaN")
        self.row.append(self._sum.item() / self._count)
        self.masked.append(self._masked.item() / self._count)


class Ticker(SupervisedPlugin):
    """Count steps and samples, and report progress.

    Attributes:
        meter: Takes the counts.
        tell: Called with (experience, epoch, share of the experience done) at most twice a second.
    """

    def __init__(self, meter: Meter, tell: Callable[[int, int, float], None] | None = None) -> None:
        super().__init__()
        self.meter = meter
        self.tell = tell
        self._told = 0.0

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.meter.steps += 1
        self.meter.samples += len(strategy.mb_y)
        now = time.monotonic()
        if self.tell and now - self._told > 0.5:
            self._told = now
            clock = strategy.clock
            total = max(1, len(strategy.dataloader) * strategy.train_epochs)
            self.tell(
                strategy.experience.current_experience,
                clock.train_exp_epochs,
                min(1.0, (clock.train_exp_iterations + 1) / total),
            )

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.meter.look_at(strategy.strategies)  # before they clear what they need in training only


def no_evaluator() -> EvaluationPlugin:
    """An evaluation plugin without metrics, and without its warning that it logs none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EvaluationPlugin()
