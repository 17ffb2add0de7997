"""Mini-batches of an experience, read from tensors on the device of training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.data.prepared import prepared
from nanocl.data.resident import Resident
from nanocl.data.transfer import moved
from nanocl.records import Training
from nanocl.training.epochs import InterruptibleTemplate


class MiniBatchTemplate(InterruptibleTemplate):
    """Avalanche's template with a faster data path.

    Data in tensors is read in whole mini-batches, other data sets (those that a plugin puts in)
    through Avalanche's own loaders.

    Attributes:
        training: Epochs or iterations, mini-batch sizes.
        seed: Source of the data order, which is the same for every strategy.
        resident: The data sets on the device.
    """

    training: Training
    seed: int
    resident: Resident
    mbatch: list[Tensor]

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """Shuffled mini-batches; the order depends on seed and experience only."""
        parts = tensor_parts(self.adapted_dataset)
        if parts is None:
            super().make_train_dataloader(**kwargs)
            return
        order = torch.Generator().manual_seed(
            self.seed * 1_000_003 + self.experience.current_experience
        )
        self.dataloader = MiniBatches(
            prepared(self.resident.parts(parts)),
            self.train_mb_size,
            generator=order,
            iterations=self.training.iterations,
        )

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        """Mini-batches in order, without augmentation."""
        parts = tensor_parts(self.adapted_dataset)
        if parts is None:
            super().make_eval_dataloader(**kwargs)
        else:
            self.dataloader = MiniBatches(self.resident.parts(parts), self.eval_mb_size)

    @property
    def host_labels(self) -> Tensor:
        """Task labels of the mini-batch, on the CPU unless a plugin has replaced them.

        A model with a head for each task label has to know them before it computes.
        """
        labels: Tensor = self.mb_task_id
        return getattr(labels, "on_host", labels)

    def _unpack_minibatch(self) -> None:
        """Move the mini-batch to the device; the host does not wait."""
        labels = self.mbatch[-1]
        self.mbatch = [moved(value, self.device) for value in self.mbatch]
        if self.mbatch[-1] is not labels:
            self.mbatch[-1].on_host = labels  # type: ignore[attr-defined]
