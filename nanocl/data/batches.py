"""Mini-batches read at once from tensors in memory.

A data set is stored once as tensors; an experience is a list of row numbers into it. Reading a
mini-batch is one indexed read and one conversion, instead of a Python call per sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from nanocl.data.augmentation import crop_flip
from nanocl.data.buckets import bucketed
from nanocl.data.transfer import moved


@dataclass(frozen=True)
class Preparation:
    """Turns a mini-batch of stored inputs into model inputs, step by step in this order.

    Attributes:
        augment: `none`, or `crop-flip`: random shift by up to 4 pixels and horizontal flip
            (training only).
        pad: Zero pixels added on each side.
        order: For each pixel the number of the pixel it is read from, shape (H * W,) after padding,
            int64; -1 reads zero. Shape (N, H * W): an order for each input of the mini-batch.
        scale, shift: Per-channel factors: `x * scale + shift` maps stored values to model inputs,
            shape (C,).
        floats: Whether model inputs are float32; else they keep their type, as tokens do.
        reads_zero: Whether `order` may have a -1; None looks. With False it must have none.
    """

    augment: str = "none"
    pad: int = 0
    order: Tensor | None = None
    scale: Tensor | None = None
    shift: Tensor | None = None
    floats: bool = True
    reads_zero: bool | None = None

    def __post_init__(self) -> None:
        if self.reads_zero is None:
            # once: on a GPU a look in every mini-batch would let the host wait
            looked = self.order is not None and bool((self.order < 0).any())
            object.__setattr__(self, "reads_zero", looked)

    def __call__(self, stored: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return model inputs; augment only if there is a generator."""
        # pixels move while they are still stored bytes: a quarter of the memory traffic of float32
        if generator is not None and self.augment == "crop-flip":
            stored = crop_flip(stored, generator)
        if self.pad:
            stored = functional.pad(stored, (self.pad,) * 4)
        if self.order is not None:
            stored = reorder(stored, self.order, reads_zero=bool(self.reads_zero))
        if not self.floats:
            return stored
        values = stored.to(torch.float32)
        # in place only if the conversion made a copy: stored floats must stay as they are
        if self.scale is not None:
            scale = self.scale.view(1, -1, 1, 1)
            values = values * scale if values is stored else values.mul_(scale)
        if self.shift is not None:
            shift = self.shift.view(1, -1, 1, 1)
            values = values + shift if values is stored else values.add_(shift)
        return values


def reorder(images: Tensor, order: Tensor, *, reads_zero: bool) -> Tensor:
    """Read pixel p of each image from its pixel order[p].

    Args:
        images: Shape (N, C, H, W).
        order: Shape (H * W,), or (N, H * W) with a row for each image.
        floats: Whether model inputs are float32; else they keep their type, as tokens do.
        reads_zero: Whether -1 may occur in `order`; it reads zero.
    """
    pixels = images.flatten(2)
    if reads_zero:
        # one zero pixel is appended, and -1 reads that one
        zero = pixels.shape[2]
        pixels = functional.pad(pixels, (0, 1))
        order = order.where(order >= 0, zero)
    order = order.expand(len(images), -1)[:, None].expand(-1, pixels.shape[1], -1)
    # index_select would take four times as long on bytes
    return pixels.gather(2, order).view_as(images)


class TensorDataset(Dataset):
    """Rows of tensors in memory, with targets and a task label: the data of one experience.

    Attributes:
        inputs: Stored inputs of the whole data set, shape (N, ...), uint8, int32 or float32;
            shared between experiences.
        rows: Row numbers of this experience, shape (n,), int64.
        targets: Targets of these rows, shape (n,) int64 class labels, or (n, k) float32 for
            regression.
        task_label: The experience's task label.
        prepare: Turns stored values into model inputs.
        train: Whether random augmentation applies.
        lengths: Lengths of these rows, shape (n,), on the CPU: mini-batches of samples of similar
            length are formed; None: of any samples.
    """

    def __init__(
        self,
        inputs: Tensor,
        rows: Tensor,
        targets: Tensor,
        *,
        task_label: int = 0,
        prepare: Preparation | None = None,
        train: bool = False,
        lengths: Tensor | None = None,
    ) -> None:
        if len(rows) != len(targets):
            raise ValueError(
                f"rows and targets must have one length, got {len(rows)} and {len(targets)}"
            )
        self.inputs = inputs
        self.rows = rows
        self.targets = targets
        self.task_label = task_label
        self.prepare = prepare or Preparation()
        self.train = train
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int | Tensor]:
        """One sample as (model input, target), without augmentation."""
        target = self.targets[index]
        value = self.prepare(self.inputs[self.rows[index]].unsqueeze(0))[0]
        return value, int(target) if target.ndim == 0 else target

    def batch(
        self,
        index: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Samples `index` as (inputs, targets, task labels); augmented if this is training data.

        Inputs and targets are where the data set is, task labels on the CPU.
        """
        # index_select copies whole rows; indexing with [] is 20 times slower on bytes
        stored = self.inputs.index_select(0, self.rows.index_select(0, index))
        inputs = self.prepare(stored, generator if self.train else None)
        task_labels = torch.full((len(index),), self.task_label, dtype=torch.int64)
        return inputs, self.targets.index_select(0, index), task_labels


Parts = list[tuple[TensorDataset, Tensor]]


def tensor_parts(dataset: object) -> Parts | None:
    """The tensor data sets behind an Avalanche data set, each with its rows in use, in order.

    Follows concatenations and subsets. Returns None if the data set contains anything else (a data
    set of another kind, or a transformation on top): Avalanche's own loader must then read it.
    """
    if isinstance(dataset, TensorDataset):
        return [(dataset, torch.arange(len(dataset)))]
    flat = getattr(dataset, "_flat_data", dataset)
    children = getattr(flat, "_datasets", None)
    indices = getattr(flat, "_indices", None)
    if _transforms(flat) or children is None:
        return None
    joined: Parts = []
    for child in children:
        parts = tensor_parts(child)
        if parts is None:
            return None
        joined += parts
    if indices is None:
        return joined
    return _subset(joined, torch.as_tensor(list(indices), dtype=torch.int64))


class MiniBatches:
    """Iterates over (inputs, targets, task labels) of one or more tensor data sets.

    Inputs and targets are where the first data set is, task labels on the CPU. Each pass is one
    epoch, or exactly `iterations` mini-batches drawn from as many reshuffled epochs as needed.

    Attributes:
        parts: Tensor data sets with their rows in use.
        batch_size: Samples per mini-batch.
        generator: Source of the order and of augmentation; None for evaluation (in order, no
            augmentation).
        iterations: Mini-batches per pass, all of full size; 0 for one epoch, whose last mini-batch
            may be smaller.
    """

    def __init__(
        self,
        parts: Sequence[tuple[TensorDataset, Tensor]],
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        iterations: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.parts = list(parts)
        self.batch_size = batch_size
        self.generator = generator
        self.iterations = iterations
        self._starts = torch.tensor([0, *(len(rows) for _, rows in parts)]).cumsum(0)
        self._lengths = _lengths(self.parts)
        if iterations and not self.samples:
            raise ValueError(f"{iterations} mini-batches need at least 1 sample, got 0")

    @property
    def samples(self) -> int:
        """Samples in one epoch."""
        return int(self._starts[-1])

    def __len__(self) -> int:
        return self.iterations or -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[list[Tensor]]:
        if not self.iterations:
            yield from map(self._gather, self._chunks(self.batch_size))
            return
        left = self.iterations
        size = min(self.batch_size, self.samples)
        while left:
            for chunk in self._chunks(size):
                if left and len(chunk) == size:
                    left -= 1
                    yield self._gather(chunk)

    def _chunks(self, size: int) -> Sequence[Tensor]:
        """The order of an epoch in mini-batches; of one data set, its rows where it is."""
        order = self._order()
        if len(self.parts) == 1:  # once an epoch instead of once a mini-batch
            _, rows = self.parts[0]
            order = rows.index_select(0, moved(order, rows.device))
        return order.split(size)

    def _order(self) -> Tensor:
        if self.generator is None:
            return torch.arange(self.samples)
        order = torch.randperm(self.samples, generator=self.generator)
        if self._lengths is None:
            return order
        return bucketed(order, self._lengths, self.batch_size, self.generator)

    def _gather(self, chunk: Tensor) -> list[Tensor]:
        if len(self.parts) == 1:
            return list(self.parts[0][0].batch(chunk, self.generator))
        # the data set of each sample, then the samples of each data set in one read
        owner = torch.bucketize(chunk, self._starts[1:], right=True)
        pieces = []
        for number, (dataset, rows) in enumerate(self.parts):
            local = chunk[owner == number] - self._starts[number]
            if len(local):
                rows_there = rows[moved(local, rows.device)]
                pieces.append(dataset.batch(rows_there, self.generator))
        inputs, targets, labels = zip(*pieces, strict=True)
        device = self.parts[0][1].device
        return [
            torch.cat([moved(piece, device) for piece in inputs]),
            torch.cat([moved(piece, device) for piece in targets]),
            torch.cat(labels),
        ]


def _lengths(parts: Parts) -> Tensor | None:
    """Lengths of all samples in order; None unless every data set has some."""
    lengths = [d.lengths[rows.cpu()] for d, rows in parts if d.lengths is not None]
    return torch.cat(lengths) if lengths and len(lengths) == len(parts) else None


def _transforms(flat: object) -> bool:
    """Whether a transformation of Avalanche applies to the data."""
    groups = [
        getattr(flat, name, None) for name in ("_transform_groups", "_frozen_transform_groups")
    ]
    return any(group is not None and group[group.current_group] is not None for group in groups)


def _subset(parts: Parts, index: Tensor) -> Parts:
    """Samples `index` of the concatenated parts."""
    starts = torch.tensor([0, *(len(rows) for _, rows in parts)]).cumsum(0)
    owner = torch.bucketize(index, starts[1:], right=True)
    return [
        (dataset, rows[index[owner == number] - starts[number]])
        for number, (dataset, rows) in enumerate(parts)
        if bool((owner == number).any())
    ]
