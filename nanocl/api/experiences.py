"""A stream given in Python: a list of (training data, test data), checked and stored as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from nanocl.data import batches, tensors
from nanocl.data.conversion import VALUES, as_inputs, as_tensors, check_labels
from nanocl.data.tensors import Experience
from nanocl.records import UserError
from nanocl.records.roots import DataRoot

FORM = "a data set of torch or (inputs, targets)"
Arrays = tuple[np.ndarray, np.ndarray]
Data: TypeAlias = "Dataset[Any] | tuple[Tensor | np.ndarray, Tensor | np.ndarray]"


@dataclass(frozen=True)
class Stored:
    """A stream that is stored.

    Attributes:
        name: Of its data, for the option `data` of the stream family `tensors`.
        scenario: The scenario in which it is run if the caller names none.
    """

    name: str
    scenario: str


def store(stream: Sequence[tuple[Data, Data]], data_root: DataRoot) -> Stored:
    """Read each data set once, check that they make a stream, and write them where workers read.

    Raises:
        UserError: What is wrong with which data set.
    """
    if not isinstance(stream, Sequence):
        raise UserError(
            "stream takes a name, a class, a file or a list [(train, test), ...], got "
            f"{type(stream).__name__}"
        )
    if not stream:
        raise UserError(f"stream has no experiences; write [(train, test), ...], each {FORM}")
    for number, experience in enumerate(stream):
        _check_pair(experience, number)
    arrays = {
        (number, split): _arrays(stream[number][split], f"stream[{number}][{split}]")
        for number, split in product(range(len(stream)), (0, 1))
    }
    first_inputs, first_targets = arrays[0, 0]
    for (number, split), (inputs, targets) in arrays.items():
        where = f"stream[{number}][{split}]"
        _check_alike(f"inputs of {where}", inputs, first_inputs)
        _check_alike(f"targets of {where}", targets, first_targets)
    is_regression = first_targets.ndim == 2
    if not is_regression:
        check_labels(torch.from_numpy(targets) for _, targets in arrays.values())
        for number in range(len(stream)):
            _check_tested(arrays[number, 0][1], arrays[number, 1][1], number)
    experiences = [
        Experience(*arrays[number, 0], *arrays[number, 1]) for number in range(len(stream))
    ]
    name = tensors.write(experiences, data_root)
    return Stored(name, "domain" if is_regression else "class")


def _check_pair(experience: Any, number: int) -> None:
    is_pair = isinstance(experience, tuple | list) and len(experience) == 2
    if not is_pair or any(one is None or _is_array(one) for one in experience):
        kinds = [type(one).__name__ for one in experience] if is_pair else []
        described = f"({', '.join(kinds)})" if kinds else type(experience).__name__
        raise UserError(
            f"stream[{number}] must be (training data, test data), each {FORM}; got {described}"
        )


def _arrays(given: Any, where: str) -> Arrays:
    """Inputs as `as_inputs` makes them, targets as int64 labels or float32 vectors, on the CPU."""
    inputs, targets = _read(given, where)
    if inputs.layout != torch.strided or targets.layout != torch.strided:
        raise UserError(f"{where} must hold dense tensors; call .to_dense() on sparse ones")
    if inputs.is_meta or targets.is_meta:
        raise UserError(f"{where} is on the meta device, which holds no values; {VALUES}")
    if not inputs.ndim or not targets.ndim:
        raise UserError(f"{where} must have one input and one target for each sample, got a number")
    if len(inputs) != len(targets):
        raise UserError(f"{where} has {len(inputs)} inputs and {len(targets)} targets")
    if not len(inputs):
        raise UserError(f"{where} has no samples: an experience needs some to train and to test")
    if inputs.ndim < 2 or inputs.is_complex():
        raise UserError(
            f"the inputs of {where} must be real tensors of shape (samples, ...), got "
            f"{inputs.dtype} of shape {tuple(inputs.shape)}"
        )
    if targets.is_complex():
        raise UserError(f"{where} must hold real targets, got {targets.dtype}")
    inputs = as_inputs(inputs.detach().cpu())
    targets = targets.detach().cpu()
    if not bool(inputs.isfinite().all()) or not bool(targets.isfinite().all()):
        raise UserError(f"{where} has a value that is not finite; remove NaN and infinity")
    targets = targets.to(torch.float32 if targets.is_floating_point() else torch.int64)
    _check_targets(targets, where)
    return inputs.numpy(), targets.numpy()


def _read(given: Any, where: str) -> tuple[Tensor, Tensor]:
    if isinstance(given, tuple | list) and len(given) == 2 and all(map(_is_array, given)):
        try:
            inputs, targets = map(_as_tensor, given)
        except TypeError as error:
            raise UserError(f"{where} must hold numbers: {error}") from error
        return inputs, targets
    if isinstance(given, TensorDataset) and len(given.tensors) == 2:
        return given.tensors[0], given.tensors[1]
    if isinstance(given, batches.TensorDataset):
        inputs, targets, _ = given.batch(torch.arange(len(given)))
        return inputs, targets
    if isinstance(given, tuple | list):
        raise UserError(f"{where} must be {FORM}, got a {type(given).__name__} of {len(given)}")
    if hasattr(given, "__len__") and not len(given):
        raise UserError(f"{where} has no samples: an experience needs some to train and to test")
    try:
        read = as_tensors(given, 0)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return read.inputs, read.targets


def _as_tensor(array: Tensor | np.ndarray) -> Tensor:
    if isinstance(array, np.ndarray):
        if np.ma.is_masked(array):
            raise TypeError("the array has masked values; fill or remove them")
        # torch takes no negative strides and no other order of bytes
        array = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return torch.as_tensor(array)


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray)


def _check_targets(targets: Tensor, where: str) -> None:
    if targets.is_floating_point() and targets.ndim != 2:
        raise UserError(
            f"the targets of {where} must be whole numbers, class labels of shape (samples,), or "
            f"for regression floats of shape (samples, k); got floats of shape "
            f"{tuple(targets.shape)}"
        )
    if not targets.is_floating_point() and (targets.ndim != 1 or int(targets.min()) < 0):
        raise UserError(
            f"class labels of {where} must have the shape (samples,) and be at least 0, got the "
            f"shape {tuple(targets.shape)} and {int(targets.min())}"
        )


def _check_alike(described: str, array: np.ndarray, first: np.ndarray) -> None:
    if array.shape[1:] != first.shape[1:] or array.dtype != first.dtype:
        raise UserError(
            f"the {described} are {array.dtype} of shape {array.shape[1:]} each, those of "
            f"stream[0][0] {first.dtype} of shape {first.shape[1:]}; all must be alike"
        )


def _check_tested(trained: np.ndarray, tested: np.ndarray, number: int) -> None:
    unknown = np.setdiff1d(tested, trained)
    if len(unknown):
        raise UserError(
            f"stream[{number}] tests class {unknown[0]}, which it does not train; every class in "
            "the test data of an experience needs training data in it"
        )
