"""Stored samples of past experiences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from avalanche.benchmarks.utils import AvalancheDataset
from torch import Tensor

from nanocl.data.batches import Parts, Preparation, TensorDataset, tensor_parts
from nanocl.data.transfer import moved


class Memory:
    """Samples as their data set stores them, and how stored values become inputs.

    Inputs, targets and preparations are on the device of training, all else is on the CPU: what is
    chosen and in which order, the host knows without a wait.

    Attributes:
        size: Samples in all, or per class of each experience.
        per_class: Whether `size` is for each class of each experience.
        selection: `balanced` or `reservoir`.
        experiences, met: Experiences and samples seen so far.
        groups: Groups seen so far. A group is one class of one experience.
        inputs, targets: Stored values and targets of the samples, shapes (n, ...).
        labels: Task labels, shape (n,).
        group: Number of each sample's group, shape (n,).
        source: Number of each sample's entry in `preparations`, shape (n,).
        preparations: Fields of `Preparation`, one entry for each kind of input.
        lengths: None: replayed mini-batches hold samples of any length.
    """

    lengths: Tensor | None = None

    def __init__(self, size: int, *, per_class: bool = False, selection: str = "balanced") -> None:
        self.size = size
        self.per_class = per_class
        self.selection = selection
        self.experiences = self.met = self.groups = 0
        self.inputs = self.targets = torch.empty(0)
        self.labels = self.group = self.source = torch.empty(0, dtype=torch.int64)
        self.preparations: list[dict[str, Any]] = []
        self._stacked = 0  # preparations whose orders are stacked in `_stack`
        self._stack: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> None:
        """Move the samples and their preparations; the host does not wait."""
        self.inputs = moved(self.inputs, device)
        self.targets = moved(self.targets, device)
        self._stacked = 0
        # new entries: a state that was saved keeps its own
        self.preparations = [dict(preparation) for preparation in self.preparations]
        tensors: dict[int, Tensor] = {}  # entries that are one tensor stay one
        for preparation in self.preparations:
            for name, value in preparation.items():
                if isinstance(value, Tensor):
                    there = tensors.setdefault(id(value), moved(value, device))
                    preparation[name] = there

    def batch(
        self,
        index: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The samples `index` as (inputs, targets, task labels), sorted by their preparation.

        With a generator, augmented as in their own experience. The task labels are on the CPU.
        """
        device = self.inputs.device
        index = index[self.source[index].sort(stable=True).indices]
        source = self.source[index]
        there = moved(index, device)
        stored = self.inputs.index_select(0, there)
        orders = self._orders(generator)
        if orders is not None:
            # one preparation does for all samples, each with its own order of the pixels
            own = orders.index_select(0, moved(source, device))
            zero = any(preparation["reads_zero"] for preparation in self.preparations)
            shared = {**self.preparations[0], "order": own, "reads_zero": zero}
            inputs = Preparation(**shared)(stored, generator)
        else:
            numbers, counts = source.unique_consecutive(return_counts=True)
            used = [self.preparations[number] for number in numbers.tolist()]
            pieces = zip(used, stored.split(counts.tolist()), strict=True)
            inputs = torch.cat(
                [Preparation(**preparation)(piece, generator) for preparation, piece in pieces]
            )
        return inputs, self.targets[there], self.labels[index]

    def _orders(self, generator: torch.Generator | None) -> Tensor | None:
        """The order of the pixels of each preparation, if the preparations differ in nothing else.

        Stacked when a preparation is added or moved, not for each draw. Augmentation is left out:
        it draws numbers for one preparation after the other.
        """
        if len(self.preparations) < 2:
            return None
        if generator is not None and self.preparations[0]["augment"] != "none":
            return None
        if len(self.preparations) != self._stacked:
            self._stacked = len(self.preparations)
            self._stack = _stack(self.preparations)
        return self._stack

    def add(self, dataset: TensorDataset | AvalancheDataset, seed: int) -> None:
        """Add samples of an experience's data set, and remove others to make space.

        Raises:
            ValueError: The data set is not made of tensors in memory.
        """
        parts = replayable(dataset)
        self.to("cpu")  # where the new samples are; `to` follows at the next experience
        generator = torch.Generator().manual_seed(seed)
        targets = torch.cat([part.targets[rows] for part, rows in parts])
        group = self._group(targets)
        choose = self._reservoir if self.selection == "reservoir" else self._balanced
        kept, taken = choose(group, generator)
        self._store(parts, targets, group, kept, taken)
        self.experiences += 1
        self.met += len(targets)

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors and plain values."""
        return {name: value for name, value in vars(self).items() if name[0] != "_"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`; samples move to the device of those that it replaces."""
        device = self.inputs.device
        self.__dict__.update(_on_cpu(state))
        self.preparations = [_on_cpu(preparation) for preparation in self.preparations]
        self.to(device)

    def _group(self, targets: Tensor) -> Tensor:
        """Number of each new sample's group; an experience of regression is one group."""
        if targets.is_floating_point():
            targets = torch.zeros(len(targets), dtype=torch.int64)
        classes, position = targets.unique(return_inverse=True)
        first = self.groups
        self.groups = self.groups + len(classes)
        return first + position

    def _balanced(self, group: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """An equal share for each group.

        Args:
            group: Groups of the new samples.
            generator: Draws the samples.

        Returns:
            Rows of the memory to keep, and rows of the new samples to add.
        """

        def share(number: int) -> int:
            # the shares add up to `size`: the first size % groups groups have one sample more
            if self.per_class:
                return self.size
            return -(-(self.size - number) // self.groups)

        shuffled = torch.randperm(len(group), generator=generator)
        first = self.groups - len(group.unique())
        # the memory is in random order within a group, so that its first rows are a random sample
        kept = [
            (self.group == number).nonzero().squeeze(1)[: share(number)] for number in range(first)
        ]
        taken = [
            shuffled[group[shuffled] == number][: share(number)]
            for number in range(first, self.groups)
        ]
        return torch.cat([shuffled[:0], *kept]), torch.cat(taken)

    def _reservoir(self, group: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Reservoir sampling; arguments and result as in `_balanced`.

        Source: Vitter, 1985, doi:10.1145/3147.3165, Algorithm R.
        """
        shuffled = torch.randperm(len(group), generator=generator)
        number = torch.arange(self.met, self.met + len(group))
        # the n-th sample (from 0) replaces slot j, uniform in 0..n, if the memory has that slot
        uniform = torch.rand(len(group), generator=generator, dtype=torch.float64)
        place = (uniform * (number + 1)).long()
        # while the memory is not full, the n-th sample fills slot n
        place = torch.where(number < self.size, number, place)
        # in `slots`, -1 - row is a row of the memory, other values are rows of the new samples
        empty = min(self.size, self.met + len(group)) - len(self)
        slots = [-1 - row for row in range(len(self))] + [0] * empty
        for row, slot in zip(shuffled.tolist(), place.tolist(), strict=True):
            if slot < self.size:
                slots[slot] = row
        rows = torch.tensor(slots, dtype=torch.int64)
        return -1 - rows[rows < 0], rows[rows >= 0]

    def _store(
        self,
        parts: Parts,
        targets: Tensor,
        group: Tensor,
        kept: Tensor,
        taken: Tensor,
    ) -> None:
        """Replace the columns by their rows `kept`, followed by the new rows `taken`."""
        names = ("inputs", "targets", "labels", "group", "source")
        fresh: dict[str, list[Tensor]] = {name: [] for name in names}
        places = []
        start = 0
        for part, rows in parts:
            place = ((taken >= start) & (taken < start + len(rows))).nonzero().squeeze(1)
            own = taken[place]
            places.append(place)
            fresh["inputs"].append(part.inputs[part.rows[rows[own - start]]])
            fresh["targets"].append(targets[own])
            fresh["labels"].append(torch.full((len(own),), part.task_label))
            fresh["group"].append(group[own])
            fresh["source"].append(torch.full((len(own),), self._source(part)))
            start += len(rows)
        # as `taken`, in random order: otherwise the rows of the first data set would stay longest
        order = torch.cat(places).argsort()
        for name, pieces in fresh.items():
            old = [getattr(self, name)[kept]] if len(self) else []
            setattr(self, name, torch.cat([*old, torch.cat(pieces)[order]]))

    def _source(self, part: TensorDataset) -> int:
        """Number of the data set's preparation, which is added if it is new."""
        values = {field.name: getattr(part.prepare, field.name) for field in fields(part.prepare)}
        if not part.train:
            values["augment"] = "none"
        for number, stored in enumerate(self.preparations):
            if all(_equal(values[name], stored[name]) for name in values):
                return number
        self.preparations.append(values)
        return len(self.preparations) - 1


def replayable(dataset: TensorDataset | AvalancheDataset) -> Parts:
    """The tensor data sets behind an experience's data set, whose samples a memory can store.

    Raises:
        ValueError: The data set is not made of tensors in memory.
    """
    parts = tensor_parts(dataset)
    if parts is None:
        raise ValueError(
            "replay needs a stream of nanocl.data.batches.TensorDataset, got "
            f"{type(dataset).__name__}"
        )
    return parts


def _stack(preparations: Sequence[Mapping[str, Any]]) -> Tensor | None:
    """The orders of the pixels, one a row; None unless they are all that differs.

    Pixels that keep their places, as in the first experience of Permuted MNIST, are an order, too.
    """
    first = preparations[0]
    if not all(_same_but_order(first, other) for other in preparations):
        return None
    orders = [preparation["order"] for preparation in preparations]
    lengths = {len(order) for order in orders if order is not None}
    if len(lengths) != 1:
        return None
    device = next(order.device for order in orders if order is not None)
    unchanged = torch.arange(lengths.pop(), device=device)
    return torch.stack([unchanged if order is None else order for order in orders])


def _same_but_order(first: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = first.keys() - {"order", "reads_zero"}
    return all(_equal(first[name], other[name]) for name in names)


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    return type(a) is type(b) and a == b


def _on_cpu(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.cpu() if isinstance(value, Tensor) else value for name, value in values.items()
    }
