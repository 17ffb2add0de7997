"""Dark experience replay, with (DER++) or without (DER) the labels of the replayed samples."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from avalanche.models import avalanche_forward
from torch import Tensor
from torch.nn import functional

from nanocl.data.transfer import moved
from nanocl.records.ranges import at_least, number
from nanocl.strategies import Strategy

LABELS = 2  # place of the task labels, which stay on the CPU, where the model needs them
OPEN = -5e3  # scores of open classes are above; a closed class has the score -1e4


class DERpp(Strategy):
    """Dark experience replay++: replay a reservoir of samples with their labels and old scores.

    Two terms are added to the loss of each mini-batch: `alpha` times the mean squared difference
    between current and stored scores of a replayed mini-batch, and `beta` times the loss of a
    second replayed mini-batch on its labels. With `beta` 0 it is DER.

    Args:
        memory_size: Samples in the reservoir, at least 1.
        alpha: Weight of the stored scores, at least 0.
        beta: Weight of the labels, at least 0.
        replay_batch_size: Samples in each replayed mini-batch, at least 1 and at most the memory
            size; 0 is the mini-batch size.

    Source: Buzzega, Boschini, Porrello, Abati and Calderara, 2020, arXiv:2004.07211, equation 6 and
        Algorithms 2 and 3; the defaults are theirs for Split CIFAR-10 with 500 samples. Departures:
        samples are stored augmented, as the model saw them, and not augmented again in replay;
        scores of classes that were closed when a sample was stored are left out.
    """

    citation: ClassVar[str] = """@inproceedings{buzzega2020dark,
  title = {Dark Experience for General Continual Learning: a Strong, Simple Baseline},
  author = {Buzzega, Pietro and Boschini, Matteo and Porrello, Angelo and Abati, Davide and
    Calderara, Simone},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2020},
  eprint = {2004.07211},
  archiveprefix = {arXiv}
}"""

    search_space = {"alpha": (0.1, 1)}

    def __init__(
        self,
        *,
        memory_size: int = 500,
        alpha: float = 0.2,
        beta: float = 0.5,
        replay_batch_size: int = 0,
    ) -> None:
        super().__init__()
        self.memory_size = at_least("memory_size", memory_size, 1)
        self.alpha = number("alpha", alpha, 0)
        self.beta = number("beta", beta, 0)
        self.replay_batch_size = at_least("replay_batch_size", replay_batch_size, 0)
        self.experiences = self.met = 0
        # inputs, targets, task labels and scores; the first `met` rows are in use
        self.stored: list[Tensor] = []
        self.drawn: list[list[Tensor]] = []
        self.generator: torch.Generator | None = None

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        # an own generator, so that the data order is the same as without replay
        seed = (getattr(strategy, "seed", 0) * 1_000_003 + self.experiences) * 2 + 15_485_863
        self.generator = torch.Generator().manual_seed(seed)
        self.stored = [
            values.to("cpu" if number == LABELS else strategy.device)
            for number, values in enumerate(self.stored)
        ]

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Draw here, so that an optimizer that repeats the pass sees the same samples."""
        count = self.replay_batch_size or strategy.train_mb_size
        self.drawn = [self._draw(count), self._draw(count)] if self.met else []

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if not self.drawn:
            return
        (inputs, _, labels, scores), (others, targets, other_labels, _) = self.drawn
        # equation 6, second term: alpha E ||z - h(x)||^2 with the stored scores z
        if self.alpha:
            now = avalanche_forward(strategy.model, inputs, labels)
            mean_square = selected_mean_square if scores.is_cpu else masked_mean_square
            strategy.loss = strategy.loss + self.alpha * mean_square(now, scores)
        # equation 6, third term: beta E loss(y, f(x)) with the labels y
        if self.beta:
            now = avalanche_forward(strategy.model, others, other_labels)
            strategy.loss = strategy.loss + self.beta * strategy._criterion(now, targets)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.drawn = []
        # a part that replays samples in the mini-batch says how many are new; they come first
        new = getattr(strategy.dataloader, "new", len(strategy.mb_y))
        labels = getattr(strategy, "host_labels", strategy.mb_task_id)
        columns = (strategy.mb_x, strategy.mb_y, labels, strategy.mb_output.detach())
        self._add([values[:new] for values in columns])

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.experiences += 1
        self.generator = None

    def _draw(self, count: int) -> list[Tensor]:
        rows = torch.randperm(min(self.met, self.memory_size), generator=self.generator)[:count]
        return [values[moved(rows, values.device)] for values in self.stored]

    def _add(self, fresh: list[Tensor]) -> None:
        """Reservoir sampling (Algorithm 3 of the paper, after Vitter, 1985)."""
        if not self.stored:
            self.stored = [
                values.new_empty((self.memory_size, *values.shape[1:])) for values in fresh
            ]
        # the n-th sample (from 0) replaces slot j, uniform in 0..n, if the memory has that slot
        position = torch.arange(self.met, self.met + len(fresh[0]))
        uniform = torch.rand(len(position), generator=self.generator, dtype=torch.float64)
        place = (uniform * (position + 1)).long()
        place = torch.where(position < self.memory_size, position, place)
        # of two samples for one slot, the later one stays
        rows = {slot: row for row, slot in enumerate(place.tolist()) if slot < self.memory_size}
        slots = torch.tensor(list(rows), dtype=torch.int64)
        chosen = torch.tensor(list(rows.values()), dtype=torch.int64)
        for values, new in zip(self.stored, fresh, strict=True):
            device = values.device
            kept = new[moved(chosen, new.device)].to(values.dtype)
            values[moved(slots, device)] = moved(kept, device)
        self.met += len(position)


def selected_mean_square(now: Tensor, scores: Tensor) -> Tensor:
    """The mean squared difference of two scores where the second is of an open class."""
    is_open = scores > OPEN
    return functional.mse_loss(now[is_open], scores[is_open])


def masked_mean_square(now: Tensor, scores: Tensor) -> Tensor:
    """The same for a GPU, where the host would wait for the number of open scores."""
    is_open = scores > OPEN
    difference = (now - scores).masked_fill(~is_open, 0.0)
    return difference.square().sum() / is_open.sum()
