"""Data sets on the device of training: each is copied there once, as it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from nanocl.data.batches import Parts, Preparation, TensorDataset
from nanocl.data.transfer import moved

Held = TypeVar("Held", Tensor, TensorDataset)

SHARE = 0.25  # of the free memory of a GPU that one data set may take: the rest is for training


class Resident:
    """The data sets of a run on its device.

    Experiences that share a data set share its copy. A data set that would take more than `SHARE`
    of the free memory stays on the host; its mini-batches are copied one by one.

    Attributes:
        device: Device of training.
        copies: Whether data sets are copied; None copies them unless the device is the CPU.
        free: Returns the free bytes of the device; None if there is no limit.
        notify: Called with a sentence for each data set that stays on the host.
    """

    def __init__(
        self,
        device: torch.device | str,
        *,
        copies: bool | None = None,
        free: Callable[[], int] | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.copies = self.device.type != "cpu" if copies is None else copies
        if free is None and self.device.type == "cuda":
            free = _free_on_gpu
        self.free = free
        self.notify = notify
        # by identity; the original is kept, so that no other object takes its number
        self._tensors: dict[int, tuple[Tensor, Tensor]] = {}
        self._datasets: dict[int, tuple[TensorDataset, TensorDataset]] = {}

    def parts(self, parts: Parts) -> Parts:
        """The same samples, read from the device where their data set fits."""
        if not self.copies:
            return parts
        there = [(self._dataset(dataset), rows) for dataset, rows in parts]
        return [(dataset, moved(rows, dataset.rows.device)) for dataset, rows in there]

    def _dataset(self, dataset: TensorDataset) -> TensorDataset:
        return _once(self._datasets, dataset, self._copied)

    def _copied(self, dataset: TensorDataset) -> TensorDataset:
        """A data set on the device; itself if its inputs stay on the host."""
        inputs = _once(self._tensors, dataset.inputs, self._placed)
        if inputs is dataset.inputs:
            return dataset
        return TensorDataset(
            inputs,
            moved(dataset.rows, self.device),
            moved(dataset.targets, self.device),
            task_label=dataset.task_label,
            prepare=prepared_on(self.device, dataset.prepare),
            train=dataset.train,
            lengths=dataset.lengths,
        )

    def _placed(self, inputs: Tensor) -> Tensor:
        """Stored inputs on the device; themselves if they are too large."""
        size = inputs.numel() * inputs.element_size()
        free = self.free() if self.free else None
        if free is None or size <= SHARE * free:
            return inputs.to(self.device, copy=True)
        if self.notify:
            self.notify(
                f"a data set of {size / 2**20:.0f} MiB stays in the memory of the host: it takes "
                f"more than {SHARE:.0%} of the {free / 2**20:.0f} MiB that are free on "
                f"{self.device.type}; training is slower"
            )
        return inputs


def prepared_on(device: torch.device, prepare: Preparation) -> Preparation:
    """The same preparation for mini-batches on a device."""

    def there(values: Tensor | None) -> Tensor | None:
        return None if values is None else moved(values, device)

    return replace(
        prepare,
        order=there(prepare.order),
        scale=there(prepare.scale),
        shift=there(prepare.shift),
    )


def _once(
    known: dict[int, tuple[Held, Held]], original: Held, copy: Callable[[Held], Held]
) -> Held:
    if id(original) not in known:
        known[id(original)] = original, copy(original)
    return known[id(original)][1]


def _free_on_gpu() -> int:
    return torch.cuda.mem_get_info()[0]
