"""Reads samples in mini-batches for measurements."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from nanocl.data.conversion import VALUES
from nanocl.integrations.answers import LABELS, without_adapters
from nanocl.integrations.facts import Digest


class Reader(NamedTuple):
    """How samples become mini-batches.

    Attributes:
        batch_size: Samples of one.
        collate: Makes one of a list of samples; None for torch's own.
    """

    batch_size: int = 8
    collate: Callable[[list[Any]], Any] | None = None

    def batches(
        self,
        model: nn.Module,
        data: Any,
        most: int | None = None,
        digest: Digest | None = None,
        size: int | None = None,
    ) -> Iterator[Any]:
        """Mini-batches of the first samples, on the model's device, in the order of the data.

        Args:
            model: The model that takes them.
            data: Samples.
            most: How many; None for all.
            digest: Takes in each sample.
            size: Samples of a mini-batch in place of `batch_size`.
        """
        size = size or self.batch_size
        count = len(data) if most is None else min(most, len(data))
        columns = _columns(model)
        device = next(model.parameters()).device
        # no DataLoader: it would draw a seed from the generator that training uses
        for first in range(0, count, size):
            last = min(first + size, count)
            samples = [_only(data[i], columns) for i in range(first, last)]
            if digest is not None:
                for sample in samples:  # one by one: mini-batches of any size have one fingerprint
                    digest.add(sample)
            yield _moved((self.collate or default_collate)(samples), device)


def _columns(model: Any) -> set[str] | None:
    """Names of samples' fields that the model takes; None if it takes any."""
    parameters = inspect.signature(without_adapters(model).forward).parameters
    return {*parameters, *LABELS} if len(parameters) > 1 else None


def _only(sample: Any, columns: set[str] | None) -> Any:
    if not isinstance(sample, Mapping) or columns is None:
        return sample
    return {name: value for name, value in sample.items() if name in columns}


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        if value.is_meta:
            raise ValueError(f"a sample is on the meta device, which holds no values; {VALUES}")
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(item, device) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_moved(item, device) for item in value]
    return value
