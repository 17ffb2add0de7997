"""Stored samples of past experiences."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from nanocl.data.batches import Preparation, TensorDataset, tensor_parts


class Memory:
    """Samples as they are stored in their data set, with what makes inputs of them.

    Attributes:
        size: Samples in all, or per class of each experience.
        experiences, met, groups: Experiences, samples and classes (of an experience each) met so
            far.
        inputs, targets: Stored values and targets of the samples, shapes (n, ...).
        labels: Task labels, shape (n,).
        group: Which class of which experience each sample is of, shape (n,).
        source: Position among `preparations` of each sample, shape (n,).
        preparations: Different ways in which stored values become inputs, as plain values.
    """

    def __init__(self, size: int, *, per_class: bool = False, selection: str = "balanced") -> None:
        self.size, self.per_class, self.selection = size, per_class, selection
        self.experiences = self.met = self.groups = 0
        self.inputs = self.targets = torch.empty(0)
        self.labels = self.group = self.source = torch.empty(0, dtype=torch.int64)
        self.preparations: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self.labels)

    def batch(
        self, index: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Samples `index`, in any order, as (inputs, targets, task labels), augmented as they were when new."""
        index = index[self.source[index].sort(stable=True).indices]
        sources, counts = self.source[index].unique_consecutive(return_counts=True)
        stored = self.inputs.index_select(0, index).split(counts.tolist())
        inputs = [
            Preparation(**self.preparations[source])(values, generator)
            for source, values in zip(sources.tolist(), stored, strict=True)
        ]
        return torch.cat(inputs), self.targets[index], self.labels[index]

    def add(self, dataset, seed: int) -> None:
        """Take in samples of an experience's data set, and give up others for them.

        Raises:
            ValueError: The data set is not made of tensors in memory.
        """
        parts = tensor_parts(dataset)
        if parts is None:
            raise ValueError(
                f"replay needs a stream of nanocl.data.batches.TensorDataset, got {type(dataset).__name__}"
            )
        chance = torch.Generator().manual_seed(seed)
        targets = torch.cat([part.targets[rows] for part, rows in parts])
        group = self._group(targets)
        choose = self._reservoir if self.selection == "reservoir" else self._balanced
        kept, taken = choose(group, chance)
        self._store(parts, targets, group, kept, taken)
        self.experiences += 1
        self.met += len(targets)

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors and plain values."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`; samples return to main memory wherever they were loaded to."""
        vars(self).update({name: _home(value) for name, value in state.items()})
        self.preparations = [
            {name: _home(value) for name, value in p.items()} for p in self.preparations
        ]

    def _group(self, targets: Tensor) -> Tensor:
        """Number of each new sample's class in its experience; an experience of regression is one class."""
        if targets.is_floating_point():
            targets = torch.zeros(len(targets), dtype=torch.int64)
        classes, position = targets.unique(return_inverse=True)
        first, self.groups = self.groups, self.groups + len(classes)
        return first + position

    def _balanced(self, group: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows of the memory to keep and new rows to take."""

        def share(number: int) -> int:
            return self.size if self.per_class else -(-(self.size - number) // self.groups)

        shuffled = torch.randperm(len(group), generator=chance)
        first = self.groups - len(group.unique())
        # the memory is in random order within a class: what its share no longer covers is a random
        # part
        kept = [
            (self.group == number).nonzero().squeeze(1)[: share(number)] for number in range(first)
        ]
        taken = [
            shuffled[group[shuffled] == number][: share(number)]
            for number in range(first, self.groups)
        ]
        return torch.cat([shuffled[:0], *kept]), torch.cat(taken)

    def _reservoir(self, group: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """The same after Vitter: the n-th sample met takes a random place among n, if the memory has that place."""
        shuffled = torch.randperm(len(group), generator=chance)
        number = torch.arange(self.met, self.met + len(group))
        place = (
            torch.rand(len(group), generator=chance, dtype=torch.float64) * (number + 1)
        ).long()
        place = torch.where(number < self.size, number, place)
        slots = [-1 - row for row in range(len(self))] + [0] * (
            min(self.size, self.met + len(group)) - len(self)
        )
        for row, slot in zip(shuffled.tolist(), place.tolist(), strict=True):
            if slot < self.size:
                slots[slot] = row
        held = torch.tensor(slots, dtype=torch.int64)
        return -1 - held[held < 0], held[held >= 0]

    def _store(
        self,
        parts: list[tuple[TensorDataset, Tensor]],
        targets: Tensor,
        group: Tensor,
        kept: Tensor,
        taken: Tensor,
    ) -> None:
        columns: dict[str, list[Tensor]] = {
            name: [getattr(self, name)[kept]] if len(self) else []
            for name in ("inputs", "targets", "labels", "group", "source")
        }
        start = 0
        for part, rows in parts:
            own = taken[(taken >= start) & (taken < start + len(rows))]
            columns["inputs"].append(part.inputs[part.rows[rows[own - start]]])
            columns["targets"].append(targets[own])
            columns["labels"].append(torch.full((len(own),), part.task_label))
            columns["group"].append(group[own])
            columns["source"].append(torch.full((len(own),), self._source(part)))
            start += len(rows)
        for name, pieces in columns.items():
            setattr(self, name, torch.cat(pieces))

    def _source(self, part: TensorDataset) -> int:
        values = {field.name: getattr(part.prepare, field.name) for field in fields(part.prepare)}
        if not part.train:
            values["augment"] = "none"
        for number, known in enumerate(self.preparations):
            if all(_equal(values[name], known[name]) for name in values):
                return number
        self.preparations.append(values)
        return len(self.preparations) - 1


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    return type(a) is type(b) and a == b


def _home(value: Any) -> Any:
    return value.cpu() if isinstance(value, Tensor) else value
