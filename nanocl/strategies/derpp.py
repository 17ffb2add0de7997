"""Dark experience replay, with (DER++) or without (DER) the labels of what is replayed."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from avalanche.models import avalanche_forward
from torch import Tensor
from torch.nn import functional

from nanocl.records.ranges import number
from nanocl.strategies import Strategy

OPEN = -5e3  # a class that may not answer has a score of -1e4


class DERpp(Strategy):
    """Dark experience replay++: on samples of a reservoir, answer as the model did when they were met, and rightly.

    To the loss of each mini-batch come `alpha` times the mean squared difference of the scores from
    those stored with a replayed mini-batch, and `beta` times the loss of another replayed one. With
    `beta` 0 it is DER.

    Args:
        memory_size: Samples in the reservoir, at least 1.
        alpha: Weight of the stored scores, at least 0.
        beta: Weight of the labels, at least 0.
        replay_batch_size: Samples in each replayed mini-batch, at most the memory; 0 takes the
            mini-batch size.

    Source: Buzzega, Boschini, Porrello, Abati and Calderara, 2020, arXiv:2004.07211, equation 6 and
        Algorithms 2 and 3; the defaults are theirs for Split CIFAR-10 with 500 samples. Departures:
        samples are stored as the model met them, augmented, and not augmented again in replay;
        scores of classes that could not be answered when a sample was met are left out.
    """

    citation: ClassVar[str] = """@inproceedings{buzzega2020dark,
  title = {Dark Experience for General Continual Learning: a Strong, Simple Baseline},
  author = {Buzzega, Pietro and Boschini, Matteo and Porrello, Angelo and Abati, Davide and Calderara, Simone},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2020},
  eprint = {2004.07211},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        memory_size: int = 500,
        alpha: float = 0.2,
        beta: float = 0.5,
        replay_batch_size: int = 0,
    ) -> None:
        super().__init__()
        self.memory_size = number("memory_size", memory_size, 1)
        self.alpha, self.beta = number("alpha", alpha, 0), number("beta", beta, 0)
        self.replay_batch_size = number("replay_batch_size", replay_batch_size, 0)
        self.experiences = self.met = 0
        self.stored: list[
            Tensor
        ] = []  # inputs, targets, task labels, scores; the first `met` places are taken
        self.drawn: list[list[Tensor]] = []
        self.chance: torch.Generator | None = None

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        # its own source of chance: the data order stays what it is without replay
        seed = (getattr(strategy, "seed", 0) * 1_000_003 + self.experiences) * 2 + 15_485_863
        self.chance = torch.Generator().manual_seed(seed)
        self.stored = [values.to(strategy.device) for values in self.stored]

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Draw both mini-batches here: a pass that is repeated sees them again."""
        count = self.replay_batch_size or strategy.train_mb_size
        self.drawn = [self._draw(count), self._draw(count)] if self.met else []

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if not self.drawn:
            return
        (inputs, _, labels, scores), (others, targets, other_labels, _) = self.drawn
        if self.alpha:
            answered = scores > OPEN
            now = avalanche_forward(strategy.model, inputs, labels)
            strategy.loss += self.alpha * functional.mse_loss(now[answered], scores[answered])
        if self.beta:
            now = avalanche_forward(strategy.model, others, other_labels)
            strategy.loss += self.beta * strategy._criterion(now, targets)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.drawn = []
        self._add([strategy.mb_x, strategy.mb_y, strategy.mb_task_id, strategy.mb_output.detach()])

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.experiences += 1
        self.chance = None

    def _draw(self, count: int) -> list[Tensor]:
        rows = torch.randperm(min(self.met, self.memory_size), generator=self.chance)[:count]
        return [values[rows.to(values.device)] for values in self.stored]

    def _add(self, fresh: list[Tensor]) -> None:
        """Vitter's reservoir: the n-th sample met takes a random place among n, if the memory has that place."""
        if not self.stored:
            self.stored = [
                values.new_empty((self.memory_size, *values.shape[1:])) for values in fresh
            ]
        number_met = torch.arange(self.met, self.met + len(fresh[0]))
        place = (
            torch.rand(len(number_met), generator=self.chance, dtype=torch.float64)
            * (number_met + 1)
        ).long()
        place = torch.where(number_met < self.memory_size, number_met, place)
        rows = {
            slot: row for row, slot in enumerate(place.tolist()) if slot < self.memory_size
        }  # the last one stays
        slots, chosen = list(rows), list(rows.values())
        for values, new in zip(self.stored, fresh, strict=True):
            values[slots] = new[chosen].to(values.dtype)
        self.met += len(number_met)
