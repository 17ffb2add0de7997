"""Reads what a learner sees of a stream, for tests."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.streams import Scenario, Stream


def build(
    stream: Stream, kind: str = "class", seed: int = 0, data_root: Path | None = None
) -> Scenario:
    return stream.build(scenario=kind, seed=seed, data_root=data_root)


def whole(experience: Any) -> tuple[Tensor, Tensor]:
    """All inputs and targets of an experience, in order, as its learner sees them."""
    inputs, targets, _ = zip(*MiniBatches(tensor_parts(experience.dataset), 10_000), strict=True)
    return torch.cat(inputs), torch.cat(targets)


def rows_of(stream: Iterable) -> list[list[int]]:
    """Row numbers of the data set that each experience of a stream uses."""
    return [
        [row for dataset, rows in tensor_parts(e.dataset) for row in dataset.rows[rows].tolist()]
        for e in stream
    ]


def both(scenario: Scenario, number: int) -> Tensor:
    """Training and test images of an experience, flattened."""
    experiences = (stream[number] for stream in (scenario.train_stream, scenario.test_stream))
    return torch.cat([whole(experience)[0] for experience in experiences]).flatten(1)


def classes_of(experience: Any) -> list[int]:
    """The targets of an experience, each once."""
    return sorted(set(whole(experience)[1].tolist()))
