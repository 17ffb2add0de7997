"""Names data that do not fit a model, when they are first read, and says what they are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nanocl.integrations.answers import answer
from nanocl.integrations.reader import Reader
from nanocl.training.lookups import LookedUp, OutOfVocabulary

MANY = 8  # items of a list that are described one by one
# what models, collate functions and torch raise about samples; not a lack of memory, nor OSError
WRONG = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)


class Unmeasurable(ValueError):
    """Data lack what a measurement needs; the message goes on from the name of the data."""


@contextmanager
def fitting(
    model: nn.Module, data: Any, reader: Reader, name: str, most: int | None = None
) -> Iterator[None]:
    """Within the block, data that do not fit the model raise an error with their name.

    Args:
        model: The model.
        data: The data set that is answered in the block; after an error it is read again.
        reader: Reads it.
        name: Name of the data.
        most: Samples that are read; None for all.

    Raises:
        ValueError: Which data do not fit, why, and what they are.
    """
    try:
        with LookedUp(model):
            yield
    except OutOfVocabulary as error:
        found = _largest(model, reader.batches(model, data, most), name)
        raise ValueError(found or f"{name} does not fit: {error}") from error
    except torch.OutOfMemoryError:
        raise
    except Unmeasurable as error:
        raise ValueError(f"{name} {error}; its sample 0 is {described(data[0])}") from error
    except IndexError as error:
        raise ValueError(
            f"{name} does not fit the model ({str(error).rstrip('.')}); labels must be numbers of "
            "its outputs, and samples must not be longer than it takes"
        ) from error
    except WRONG as error:
        number = _first_wrong(model, reader.batches(model, data, most, size=1))
        wrong = f"{name} cannot be measured with this model ({_reason(error)})"
        if number is None:
            raise ValueError(
                f"{wrong}, but each sample alone can; make samples of one length, or give "
                "reader=Reader(collate=...) with a function that pads them"
            ) from error
        sample = data[number]
        raise ValueError(
            f"{wrong}; its sample {number} is {described(sample)}; {_advice(sample)}"
        ) from error


def described(value: Any) -> str:
    """Types and shapes of a sample or a part of one."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {described(value[name])}" for name in value) + "}"
    if isinstance(value, tuple) or (isinstance(value, list) and len(value) <= MANY):
        return "(" + ", ".join(map(described, value)) + ")"
    if isinstance(value, list):
        return f"a list of {len(value)} items"
    if isinstance(value, str):
        return f"the text {textwrap.shorten(value, 40, placeholder='...')!r}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{str(value.dtype).removeprefix('torch.')} {[*value.shape]}"
    return "None" if value is None else type(value).__name__


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__


def _advice(sample: Any) -> str:
    parts = sample.values() if isinstance(sample, Mapping) else sample
    is_text = isinstance(sample, str) or (
        isinstance(sample, Mapping | list | tuple)
        and any(isinstance(part, str) for part in parts)
        and not any(hasattr(part, "__len__") and not isinstance(part, str) for part in parts)
    )
    if is_text:
        return "turn texts into token numbers with the tokenizer of the model"
    return "samples must have the fields, shapes, length and type that the model takes"


def _first_wrong(model: nn.Module, singles: Iterator[Any]) -> int | None:
    """The number of the first sample that alone raises an error; None if only several do."""
    number = 0
    try:
        for batch in singles:
            answer(model, batch)
            number += 1
    except WRONG:
        return number
    return None


def _largest(model: nn.Module, batches: Iterable[Any], name: str) -> str:
    """The sentence about the wrong token numbers of all mini-batches; empty without one."""
    found: list[tuple[OutOfVocabulary, bool]] = []
    with LookedUp(model):
        for batch in batches:
            try:
                answer(model, batch)
            except OutOfVocabulary as wrong:
                found.append((wrong, _is_extreme(wrong.number, batch)))
            except IndexError:  # a wrong label of samples with right tokens
                continue
    if not found:  # samples that are others at each reading
        return ""
    choose = max if any(wrong.number >= wrong.size for wrong, _ in found) else min
    error, is_token = choose(found, key=lambda one: one[0].number)
    return error.about(name, is_token=is_token)


def _is_extreme(number: int, batch: Any) -> bool:
    """Whether this is the largest or smallest number of a field, and not one that the model made.

    Such are numbers of positions: any small one stands in the data, too.
    """
    fields = batch.values() if isinstance(batch, Mapping) else batch
    tensors = [field for field in fields if isinstance(field, Tensor) and field.numel()]
    extremes = [one.aminmax() for one in tensors if not one.is_floating_point()]
    return any(number in (int(smallest), int(largest)) for smallest, largest in extremes)
