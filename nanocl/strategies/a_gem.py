"""Averaged gradient episodic memory."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from avalanche.models import avalanche_forward
from torch import Tensor

from nanocl.records.ranges import at_least
from nanocl.strategies import Strategy
from nanocl.strategies._memory import Memory, replayable


class AGEM(Strategy):
    """A-GEM: remove the part of the gradient that would raise the loss on past experiences.

    With g the gradient of the mini-batch and r that of a mini-batch of the memory, g becomes
    g - (g.r / r.r) r if g.r < 0. Terms that other strategies add to the loss are part of g.

    Args:
        memory_size: Samples in the memory, an equal share for every class of every past experience;
            at least 1.
        replay_batch_size: Samples on which r is computed, at least 1 and at most the memory size; 0
            is the mini-batch size.

    Source: Chaudhry, Ranzato, Rohrbach and Elhoseiny, 2019, arXiv:1812.00420, equation 11 and
        Algorithm 2. Departure: the size of the memory is fixed and shared by the experiences; in
        the paper it grows with each experience.
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
        self.memory = Memory(at_least("memory_size", memory_size, 1))
        self.replay_batch_size = at_least("replay_batch_size", replay_batch_size, 0)
        self.drawn: tuple[Tensor, ...] = ()
        self.generator: torch.Generator | None = None

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        replayable(strategy.experience.dataset)  # refused now instead of after training
        self.memory.to(strategy.device)
        self.generator = torch.Generator().manual_seed(self._seed(strategy) + 1)

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Draw here, so that an optimizer that repeats the pass sees the same samples."""
        if len(self.memory):
            shuffled = torch.randperm(len(self.memory), generator=self.generator)
            count = self.replay_batch_size or strategy.train_mb_size
            self.drawn = self.memory.batch(shuffled[:count], self.generator)

    def after_backward(self, strategy: Any, **kwargs: Any) -> None:
        if not self.drawn:
            return
        inputs, targets, labels = self.drawn
        # the reference gradient r, on a mini-batch of the memory
        outputs = avalanche_forward(strategy.model, inputs, labels)
        loss = strategy._criterion(outputs, targets)
        parameters = [p for p in strategy.model.parameters() if p.requires_grad]
        reference = torch.autograd.grad(loss, parameters, allow_unused=True)
        pairs = zip(parameters, reference, strict=True)
        waits = torch.device(strategy.device).type == "cpu"
        project([(p, r) for p, r in pairs if r is not None], waits=waits)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.drawn = ()

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.generator = None
        self.memory.add(strategy.experience.dataset, self._seed(strategy))

    def _seed(self, strategy: Any) -> int:
        # an own generator, so that the data order is the same as without the memory
        run_seed = getattr(strategy, "seed", 0)
        experience_seed = run_seed * 1_000_003 + self.memory.experiences
        return experience_seed * 2 + 32_452_843


def project(pairs: list[tuple[Tensor, Tensor]], *, waits: bool = True) -> None:
    """Project the gradients onto the half-space g.r >= 0, all parameters as one vector.

    Args:
        pairs: Parameters, whose `grad` is changed, each with its reference gradient. A parameter
            without gradient counts as one with gradient 0.
        waits: Whether the host may read g.r, for which it waits on a GPU. It does in any case if a
            parameter has no gradient: without a projection it must get none.
    """
    # g.r and r.r over all parameters
    along = sum((p.grad * r).sum() for p, r in pairs if p.grad is not None)
    length = sum(r.square().sum() for _, r in pairs)
    waits = waits or any(p.grad is None for p, _ in pairs)
    if not pairs or (waits and not along < 0):
        return
    # equation 11: g <- g - (g.r / r.r) r
    for p, r in pairs:
        away = r * (-along / length)
        if not waits:
            away = away.where(torch.as_tensor(along < 0), 0.0)
        p.grad = away if p.grad is None else p.grad + away
