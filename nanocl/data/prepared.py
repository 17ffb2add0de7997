"""Small data sets as model inputs, prepared once instead of in every epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from nanocl.data.batches import Parts, Preparation, TensorDataset

LIMIT = 2**22  # bytes of model inputs of a data set: more would cost memory and save little


def prepared(parts: Parts) -> Parts:
    """The same samples, as model inputs where these are few and equal in each epoch."""
    return [_inputs(*part) if _repeats(*part) else part for part in parts]


def _repeats(dataset: TensorDataset, rows: Tensor) -> bool:
    prepare = dataset.prepare
    if type(dataset) is not TensorDataset or type(prepare) is not Preparation:
        return False  # another class may change from epoch to epoch
    if not prepare.floats or (dataset.train and prepare.augment != "none"):
        return False
    return len(rows) * dataset.inputs[:1].numel() * torch.float32.itemsize <= LIMIT


def _inputs(dataset: TensorDataset, rows: Tensor) -> tuple[TensorDataset, Tensor]:
    inputs, targets, _ = dataset.batch(rows)
    own = torch.arange(len(rows), device=rows.device)
    lengths = None if dataset.lengths is None else dataset.lengths[rows.cpu()]
    label = dataset.task_label
    return TensorDataset(inputs, own, targets, task_label=label, lengths=lengths), own
