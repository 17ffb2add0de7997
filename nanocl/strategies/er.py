"""Experience replay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from nanocl.data.batches import MiniBatches, TensorDataset
from nanocl.data.transfer import moved
from nanocl.records.ranges import at_least, one_of
from nanocl.strategies import Strategy
from nanocl.strategies._memory import Memory, replayable


class ER(Strategy):
    """Experience replay: add a mini-batch of stored past samples to each mini-batch.

    Args:
        memory_size: Samples in the memory, at least 1; per class of each experience if `per_class`.
        per_class: Whether `memory_size` is the size for each class; the memory then grows with the
            stream.
        selection: `balanced`: an equal share, drawn at random, for every class of every past
            experience. `reservoir`: every past sample is in the memory with the same probability.
        replay_batch_size: Samples replayed with each mini-batch, at least 1 and at most the memory
            size; 0 is the mini-batch size.
        balance: Weights of the loss. `mean`: all samples of the joined mini-batch have the same
            weight. `experience`: in the k-th experience the loss of the new samples has the weight
            1/k, that of the replayed ones 1 - 1/k.

    Source: Chaudhry et al., 2019, arXiv:1902.10486 (reservoir: their Algorithm 2, after Vitter,
        1985); `experience` with `per_class` as van de Ven, Tuytelaars and Tolias, 2022,
        doi:10.1038/s42256-022-00568-3. Departures: the memory is filled at the end of each
        experience, so that only past experiences are replayed; it is replayed in reshuffled passes
        instead of draws with replacement.
    """

    citation: ClassVar[str] = """@misc{chaudhry2019tiny,
  title = {On Tiny Episodic Memories in Continual Learning},
  author = {Chaudhry, Arslan and Rohrbach, Marcus and Elhoseiny, Mohamed and Ajanthan,
    Thalaiyasingam and Dokania, Puneet K. and Torr, Philip H. S. and Ranzato, Marc'Aurelio},
  year = {2019},
  eprint = {1902.10486},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        memory_size: int = 500,
        per_class: bool = False,
        selection: str = "balanced",
        replay_batch_size: int = 0,
        balance: str = "mean",
    ) -> None:
        super().__init__()
        at_least("memory_size", memory_size, 1)
        one_of("selection", selection, ("balanced", "reservoir"))
        if per_class and selection == "reservoir":
            raise ValueError("selection must be balanced with per_class=True, got 'reservoir'")
        self.replay_batch_size = at_least("replay_batch_size", replay_batch_size, 0)
        self.balance = one_of("balance", balance, ("mean", "experience"))
        self.memory = Memory(memory_size, per_class=per_class, selection=selection)

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        replayable(strategy.experience.dataset)  # refused now instead of after training
        if not len(self.memory):
            return
        self.memory.to(strategy.device)
        order = torch.Generator().manual_seed(_seed(strategy, self.memory.experiences) + 1)
        # of a data set, MiniBatches uses the method `batch` only
        stored = cast(TensorDataset, self.memory)
        replay = MiniBatches(
            [(stored, torch.arange(len(self.memory)))],
            self.replay_batch_size or strategy.train_mb_size,
            generator=order,
            iterations=2**62,
        )
        strategy.dataloader = _Joined(strategy.dataloader, iter(replay))

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        new = getattr(strategy.dataloader, "new", None)
        if new is None or self.balance == "mean":
            return
        # the loss is the mean over both, with weight new / both for the new samples; add the
        # difference to weight 1/k for the new samples and 1 - 1/k for the replayed ones
        both = len(strategy.mb_y)
        weight = 1 / (self.memory.experiences + 1)
        output = strategy.mb_output
        target = strategy.mb_y
        criterion = strategy._criterion
        strategy.loss = (
            strategy.loss
            + (weight - new / both) * criterion(output[:new], target[:new])
            + (new / both - weight) * criterion(output[new:], target[new:])
        )

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.memory.add(strategy.experience.dataset, _seed(strategy, self.memory.experiences))


class _Joined:
    """Mini-batches of the stream, each followed by a replayed one.

    Attributes:
        new: Number of samples of the current mini-batch that are from the stream; they come first.
    """

    def __init__(self, stream: MiniBatches | DataLoader, replay: Iterator[list[Tensor]]) -> None:
        self.stream = stream
        self.replay = replay
        self.new = 0

    def __len__(self) -> int:
        return len(self.stream)

    def __iter__(self) -> Iterator[list[Tensor]]:
        for fresh in self.stream:
            self.new = len(fresh[0])
            pairs = zip(fresh, next(self.replay), strict=True)
            # a large data set is on the host, where the memory need not be
            yield [torch.cat([moved(new, old.device), old]) for new, old in pairs]


def _seed(strategy: Any, experience: int) -> int:
    # an own generator, so that the data order is the same as without replay
    return (getattr(strategy, "seed", 0) * 1_000_003 + experience) * 2 + 7_919
