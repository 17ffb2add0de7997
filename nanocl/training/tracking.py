"""Tests within an experience: accuracy while learning, and on what was learned before."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor
from torch.nn import functional

from nanocl.records.measuring import TRACKED_SAMPLES
from nanocl.training.measure import Meter
from nanocl.training.observers import Scores
from nanocl.training.predictions import Predictions


class Tracker(SupervisedPlugin):
    """Every K mini-batches, test the experiences met so far on a part of their test samples.

    Source: De Lange, van de Ven and Tuytelaars, 2023, arXiv:2205.13452, section 3, with their 1000
    test samples an experience. Between two tests it counts how many of the mini-batches' samples
    the learner got right before it trained on them (online accuracy). Neither changes training.

    Attributes:
        points: One entry a test: `experience`, `iteration` (mini-batches of this experience trained
            so far), `samples` trained on since the last entry and the `online` result on them
            before their step, and `row`, the result on each experience up to this one.

    Args:
        every: Mini-batches from one test to the next.
        meter: Stands still during a test.
    """

    def __init__(self, every: int, meter: Meter) -> None:
        super().__init__()
        self.every = every
        self.points: list[dict[str, Any]] = []
        self._meter = meter
        self._samples = 0  # since the last point
        self._sum = torch.zeros((), dtype=torch.float64)
        self._predictions = Predictions()

    def begin(self, tests: Sequence[Any], scores: Scores) -> Tracker:
        """Use these test experiences; `scores` collects their results."""
        self._tests = [_part_of(experience) for experience in tests]
        self._scores = scores
        return self

    def state_dict(self) -> dict[str, Any]:
        """The points, and the counts since the last one."""
        return {
            "points": self.points,
            "samples": self._samples,
            "sum": float(self._sum),
            "left": self._predictions.left,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.points = [dict(point) for point in state["points"]]
        self._samples = state["samples"]
        self._predictions.left = state["left"]
        self._sum = torch.tensor(state["sum"], dtype=torch.float64)

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self._predictions.begin_epoch(strategy)

    def after_forward(self, strategy: Any, **kwargs: Any) -> None:
        new = self._predictions.of(strategy)
        if new is not None:
            self._count(*new)

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._predictions.begin_iteration()

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        iteration = strategy.clock.train_exp_iterations + 1
        if iteration % self.every == 0:
            self._test(strategy, iteration)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        if self._samples:
            self._test(strategy, strategy.clock.train_exp_iterations)

    def _count(self, output: Tensor, target: Tensor) -> None:
        """Hits or squared errors of the new samples."""
        if self._scores.measure == "loss":
            right = functional.mse_loss(output, target, reduction="none").mean(1).sum()
        else:
            right = (output.argmax(1) == target).sum()
        self._sum = self._sum.to(right.device, torch.float64) + right
        self._samples += len(target)

    def _test(self, strategy: Any, iteration: int) -> None:
        experience = strategy.experience.current_experience
        kept = {name: getattr(strategy, name) for name in ("mbatch", "mb_output", "loss")}
        with self._meter.paused():
            strategy.eval(self._tests[: experience + 1])
        vars(strategy).update(kept)
        self.points.append(
            {
                "experience": experience,
                "iteration": iteration,
                "samples": self._samples,
                "online": float(self._sum) / max(1, self._samples),
                "row": list(self._scores.row),
            }
        )
        self._samples = 0
        self._sum = torch.zeros((), dtype=torch.float64)


def _part_of(experience: Any) -> Any:
    """The experience with a fixed random part of its samples, where it has more."""
    count = len(experience.dataset)
    if count <= TRACKED_SAMPLES:
        return experience
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(count, generator=generator)[:TRACKED_SAMPLES].sort().values
    part = copy.copy(experience)
    part._dataset = experience.dataset.subset(chosen.tolist())
    return part
