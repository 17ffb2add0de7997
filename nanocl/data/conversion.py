"""Any data set of torch as tensors in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.data import TensorDataset as Pairs

from nanocl.data.batches import Preparation, TensorDataset
from nanocl.records import UserError

INTEGERS = (torch.int32, torch.int64)  # inputs that stay integers, which an embedding takes
MANY_LABELS = 1000  # output units of which most may be of no class
VALUES = "give tensors with values, on the CPU or a GPU"
SPARSE = 10  # with more of them: the most that there may be for each class


def as_inputs(inputs: Tensor) -> Tensor:
    """Inputs in the type in which a model gets them: token numbers as integers, others float32."""
    return inputs if inputs.dtype in INTEGERS else inputs.to(torch.float32)


def check_labels(targets: Iterable[Tensor]) -> None:
    """Refuse class labels that would make an output layer of units most of which have no class.

    Raises:
        UserError: How many classes there are, and how to number them.
    """
    labels = torch.cat([one.unique() for one in targets]).unique()
    needed = int(labels.max()) + 1
    if needed > max(MANY_LABELS, SPARSE * len(labels)):
        raise UserError(
            f"the stream has {len(labels)} classes with labels up to {needed - 1}, for which the "
            f"model would need {needed} outputs; number the classes 0 to {len(labels) - 1} "
            "(numpy.unique(labels, return_inverse=True) of all labels does)"
        )


def as_tensors(dataset: Dataset[Any], task_label: int) -> TensorDataset:
    """The samples of a data set of (input, target), each read once; one of ours stays as it is.

    Random transforms of the data set are thus drawn once, not in each epoch.

    Args:
        dataset: torch's `TensorDataset`, or any with `__len__` and `__getitem__`. Inputs are
            tensors of one shape, targets class labels or, for regression, vectors. Inputs of int32
            or int64 are token numbers and stay integers.
        task_label: Of the experience.

    Raises:
        UserError: Its samples are of another kind.
    """
    if isinstance(dataset, TensorDataset):
        return dataset
    if isinstance(dataset, Pairs) and len(dataset.tensors) == 2:
        inputs, targets = dataset.tensors
    else:
        inputs, targets = _read(dataset)
    if inputs.is_meta or targets.is_meta:
        raise UserError(f"a data set is on the meta device, which holds no values; {VALUES}")
    inputs = inputs.to(torch.float32) if inputs.dtype == torch.float64 else inputs
    targets = targets.to(torch.float32 if targets.is_floating_point() else torch.int64)
    prepare = Preparation(floats=inputs.dtype not in INTEGERS)
    rows = torch.arange(len(inputs))
    return TensorDataset(inputs, rows, targets, task_label=task_label, prepare=prepare)


def _read(dataset: Dataset[Any]) -> tuple[Tensor, Tensor]:
    name = type(dataset).__name__
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise UserError(f"a data set must have __len__ and __getitem__, got {name}")
    samples = [dataset[index] for index in range(len(dataset))]
    for sample in samples:
        kinds = [type(value).__name__ for value in sample] if _is_pair(sample) else [str(sample)]
        if not _is_pair(sample) or not isinstance(sample[0], Tensor):
            raise UserError(
                f"a sample of {name} must be (input tensor, target), got "
                f"({', '.join(kinds)[:60]}); images become tensors with "
                "torchvision.transforms.ToTensor()"
            )
    try:
        inputs = torch.stack([sample[0] for sample in samples])
        targets = torch.stack([torch.as_tensor(sample[1]) for sample in samples])
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the samples of {name} must have one shape and a number or vector each: {reason}"
        ) from error
    return inputs, targets


def _is_pair(sample: Any) -> bool:
    return isinstance(sample, tuple | list) and len(sample) == 2
