"""Averaged gradient episodic memory."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from avalanche.models import avalanche_forward
from torch import Tensor

from nanocl.records.ranges import number
from nanocl.strategies import Strategy
from nanocl.strategies._memory import Memory


class AGEM(Strategy):
    """A-GEM: a gradient that would raise the loss on a memory of past experiences is projected until it does not.

    With g the gradient of the mini-batch and r that of a mini-batch of the memory, g becomes g -
    (g.r / r.r) r wherever g.r < 0. What other strategies add to the loss is part of g.

    Args:
        memory_size: Samples in the memory, an equal share for every class of every past experience;
            at least 1.
        replay_batch_size: Samples that r is computed on, at most the memory; 0 takes the mini-batch
            size.

    Source: Chaudhry, Ranzato, Rohrbach and Elhoseiny, 2019, arXiv:1812.00420, equation 11 and
        Algorithm 2. Departure: the memory has one size that experiences share, where theirs grows
        by as many samples with each.
    """

    citation: ClassVar[str] = """@inproceedings{chaudhry2019efficient,
  title = {Efficient Lifelong Learning with {A-GEM}},
  author = {Chaudhry, Arslan and Ranzato, Marc'Aurelio and Rohrbach, Marcus and Elhoseiny, Mohamed},
  booktitle = {International Conference on Learning Representations},
  year = {2019},
  eprint = {1812.00420},
  archiveprefix = {arXiv}
}"""

    def __init__(self, *, memory_size: int = 500, replay_batch_size: int = 0) -> None:
        super().__init__()
        self.memory = Memory(int(number("memory_size", memory_size, 1)))
        self.replay_batch_size = number("replay_batch_size", replay_batch_size, 0)
        self.drawn: tuple[Tensor, ...] = ()
        self.chance: torch.Generator | None = None

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.chance = torch.Generator().manual_seed(self._seed(strategy) + 1)

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Draw here: a pass that is repeated sees the same memory."""
        if len(self.memory):
            rows = torch.randperm(len(self.memory), generator=self.chance)
            drawn = self.memory.batch(
                rows[: self.replay_batch_size or strategy.train_mb_size], self.chance
            )
            self.drawn = tuple(values.to(strategy.device) for values in drawn)

    def after_backward(self, strategy: Any, **kwargs: Any) -> None:
        if not self.drawn:
            return
        inputs, targets, labels = self.drawn
        loss = strategy._criterion(avalanche_forward(strategy.model, inputs, labels), targets)
        parameters = [p for p in strategy.model.parameters() if p.requires_grad]
        reference = torch.autograd.grad(loss, parameters, allow_unused=True)
        project([(p, r) for p, r in zip(parameters, reference, strict=True) if r is not None])

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.drawn = ()

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.chance = None
        self.memory.add(strategy.experience.dataset, self._seed(strategy))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "memory": self.memory.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict({name: value for name, value in state.items() if name != "memory"})
        self.memory.load_state_dict(state["memory"])

    def _seed(self, strategy: Any) -> int:
        # its own source of chance: the data order stays what it is without the memory
        return (getattr(strategy, "seed", 0) * 1_000_003 + self.memory.experiences) * 2 + 32_452_843


def project(pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Take from the gradients their part against the reference gradients, all parameters as one vector.

    Args:
        pairs: Parameters, whose `grad` is changed, each with its reference gradient. One without
            gradient has zeros.
    """
    along = sum((p.grad * r).sum() for p, r in pairs if p.grad is not None)
    length = sum(r.square().sum() for _, r in pairs)
    if not pairs or not along < 0:
        return
    for p, r in pairs:
        away = r * (-along / length)
        p.grad = away if p.grad is None else p.grad + away
