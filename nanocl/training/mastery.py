"""The rule that ends an experience as soon as it is mastered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from avalanche.training.plugins import SupervisedPlugin

from nanocl.training.predictions import Predictions

STREAK = 5
SHARE = 0.9


class Mastery(SupervisedPlugin):
    """End an experience after the first mini-batch with which it is mastered.

    It is mastered when the last `STREAK` predictions were right, and at least the share `SHARE` of
    all predictions since the experience began. Predictions are those on new samples before the step
    on them. The optimizer takes the step on the last mini-batch, too.

    Source: Ashley, Ghiassian and Sutton, 2021, arXiv:2102.07686.
    """

    def __init__(self) -> None:
        super().__init__()
        self._predictions = Predictions()
        self._steps = 0
        self._samples = 0
        self._right = 0
        self._streak = 0

    @property
    def is_reached(self) -> bool:
        """Whether the current experience is mastered."""
        # a division, which rounds 9 / 10 to the same number as SHARE
        return self._streak >= STREAK and self._right / self._samples >= SHARE

    def entry(self) -> dict[str, Any]:
        """How the experience trained last ended, for the record."""
        return {"steps": self._steps, "mastered": self.is_reached}

    def state_dict(self) -> dict[str, Any]:
        """The counts of the current experience."""
        return {
            "steps": self._steps,
            "samples": self._samples,
            "right": self._right,
            "streak": self._streak,
            "left": self._predictions.left,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._steps = state["steps"]
        self._samples = state["samples"]
        self._right = state["right"]
        self._streak = state["streak"]
        self._predictions.left = state["left"]

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self._steps = self._samples = self._right = self._streak = 0

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self._predictions.begin_epoch(strategy)

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._predictions.begin_iteration()

    def after_forward(self, strategy: Any, **kwargs: Any) -> None:
        new = self._predictions.of(strategy)
        if new is None:
            return
        output, target = new
        self._count((output.argmax(1) == target).tolist())

    def _count(self, rights: Iterable[bool]) -> None:
        """Of each new sample whether it was predicted right, in order."""
        for is_right in rights:
            self._samples += 1
            self._right += is_right
            self._streak = self._streak + 1 if is_right else 0

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._steps += 1
        if self.is_reached:
            strategy.stop_training()
