"""Learning rates over time."""

from __future__ import annotations

from math import cos, pi
from typing import Any

from avalanche.training.plugins import SupervisedPlugin


class Schedule(SupervisedPlugin):
    """Multiply each learning rate by a factor that depends on the share of time that has passed.

    A group keeps its own rate as `initial_lr`, as torch's schedulers do, and has it again when an
    experience ends. A group without a learning rate (`lr` is None) stays as it is.

    Attributes:
        kind, at: See `nanocl.records.Training.schedule` and `schedule_at`.
        start: Number of experiences at the beginning that are not trained.
    """

    def __init__(self, kind: str, at: str, start: int = 0) -> None:
        super().__init__()
        self.kind = kind
        self.at = at
        self.start = start

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        _multiply(strategy.optimizer, factor(self.kind, self._time(strategy)))

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        _multiply(strategy.optimizer, 1.0)

    def _time(self, strategy: Any) -> float:
        """The share of time that has passed, in [0, 1)."""
        steps = max(1, len(strategy.dataloader) * strategy.train_epochs)
        share = min(1.0, strategy.clock.train_exp_iterations / steps)
        if self.at == "experience":
            return share
        number = strategy.experience.current_experience - self.start
        return (number + share) / (len(strategy.experience.origin_stream) - self.start)


def factor(kind: str, time: float) -> float:
    """The factor on a learning rate after a share `time` of the whole time."""
    if kind == "cosine":
        return (1 + cos(pi * time)) / 2
    if kind == "step":
        return 1.0 if time < 0.5 else 0.1 if time < 0.75 else 0.01
    return 1.0


def _multiply(optimizer: Any, by: float) -> None:
    for group in optimizer.param_groups:
        if group.get("lr") is not None:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * by
