"""Epochs that can be interrupted, and how a run goes on in the middle of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nanocl.training import randomness
from nanocl.training.hooks import HookTemplate


@dataclass(frozen=True)
class Resumption:
    """How an interrupted experience goes on.

    Attributes:
        epoch: Epochs that were finished.
        iteration: Mini-batches of the next epoch that were trained.
        beginning: The global generators at the beginning of that epoch, see `randomness`.
        restore: Puts everything except random numbers where it was.
        random: The global generators after the last mini-batch.
        begin: Called when the next mini-batch is about to be drawn.
    """

    epoch: int
    iteration: int
    beginning: dict[str, Any]
    restore: Callable[[], None]
    random: dict[str, Any]
    begin: Callable[[], None]


@dataclass(frozen=True)
class Rest:
    """The mini-batches of an epoch without those that were trained before an interruption.

    Those are drawn all the same, and so are those of the epochs before: order, augmentation and
    replay have generators of their own, which thus arrive where they were.
    """

    batches: Iterable[Any]
    resumption: Resumption

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.batches, name)

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self.resumption.epoch):
            for _ in self.batches:
                pass
        randomness.restore(self.resumption.beginning)
        batches = iter(self.batches)
        for _ in range(self.resumption.iteration):
            next(batches)
        randomness.restore(self.resumption.random)
        self.resumption.begin()
        yield from batches


class InterruptibleTemplate(HookTemplate):
    """Avalanche's template, which can also go on in the middle of an experience.

    The hooks before the experience and before the epoch run again, on the state that they met the
    first time, so that everything they prepare is there; then `Resumption.restore` follows.

    Attributes:
        after_iteration: Called after each training mini-batch, when every plugin has seen it.
        beginning: The global generators at the beginning of the current epoch, noted where there is
            an `after_iteration`.
        resumption: Of the next experience to be trained; used once.
    """

    dataloader: Iterable[Any]
    _stop_training: bool
    after_iteration: Callable[[], None] | None = None
    beginning: dict[str, Any] | None = None
    resumption: Resumption | None = None

    def begin(self, experience: Any) -> None:
        """What `train` does before the first epoch, for a caller that trains the epochs itself."""
        # as in Avalanche's `train`
        self.is_training = True
        self._stop_training = False
        self.model.train()
        self.model.to(self.device)
        self._before_training()
        self.experience = experience
        self._before_training_exp()

    def end(self) -> None:
        """What `train` does after the last epoch."""
        self._after_training_exp()
        self._after_training()
        self._train_cleanup()

    def _train_exp(
        self, experience: Any, eval_streams: Sequence[Any] | None = None, **kwargs: Any
    ) -> None:
        # as in Avalanche, without the epochs that were finished before an interruption
        finished = self.resumption.epoch if self.resumption else 0
        for _ in range(finished, self.train_epochs):
            self._before_training_epoch(**kwargs)
            if self._stop_training:
                self._stop_training = False
                break
            self.training_epoch(**kwargs)
            self._after_training_epoch(**kwargs)

    def training_epoch(self, **kwargs: Any) -> None:
        """One pass over the mini-batches, or the rest of an interrupted one."""
        resumption = self.resumption
        self.resumption = None
        batches = self.dataloader
        if resumption:
            resumption.restore()
            self.beginning = resumption.beginning
            self.dataloader = Rest(batches, resumption)
        elif self.after_iteration:
            self.beginning = randomness.state()
        super().training_epoch(**kwargs)
        self.dataloader = batches

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        if self.after_iteration:
            self.after_iteration()
