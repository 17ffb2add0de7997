"""Predictions on new samples before the learner trains on them."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class Predictions:
    """Finds the new samples of each mini-batch: each counts once.

    A strategy appends the samples that it replays, and a closure repeats the forward pass at other
    weights.

    Attributes:
        left: Samples of the experience that this epoch has not drawn yet.
    """

    def __init__(self) -> None:
        self.left = 0
        self._is_counted = False

    def begin_epoch(self, strategy: Any) -> None:
        """All samples of the experience are to be drawn."""
        self.left = len(strategy.adapted_dataset)

    def begin_iteration(self) -> None:
        """The next forward pass is the first one of its mini-batch."""
        self._is_counted = False

    def of(self, strategy: Any) -> tuple[Tensor, Tensor] | None:
        """Outputs and targets of the new samples; None after a repeated pass."""
        if self._is_counted:
            return None
        self._is_counted = True
        size = min(strategy.train_mb_size, len(strategy.adapted_dataset), len(strategy.mb_y))
        # a fixed number of mini-batches are all of full size; of an epoch the last may be smaller
        new = size if strategy.training.iterations else min(size, self.left or size)
        self.left = max(0, self.left - new)
        return strategy.mb_output.detach()[:new], strategy.mb_y[:new]
