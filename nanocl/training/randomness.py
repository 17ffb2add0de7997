"""The state of every global generator of random numbers, as tensors and plain values."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import torch


def state() -> dict[str, Any]:
    """The state of the generators of torch, of its GPUs, of Python and of numpy."""
    name, keys, *rest = numpy.random.get_state(legacy=True)
    assert isinstance(keys, numpy.ndarray)
    return {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(keys.astype(numpy.int64)), *rest],
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore(saved: dict[str, Any]) -> None:
    """Set every generator to a state that `state` returned."""
    torch.set_rng_state(saved["torch"].cpu())
    random.setstate(saved["python"])
    name, keys, *rest = saved["numpy"]
    numpy.random.set_state((name, keys.cpu().numpy().astype(numpy.uint32), *rest))
    if saved["cuda"] and len(saved["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([held.cpu() for held in saved["cuda"]])


@contextmanager
def global_seed(seed: int) -> Iterator[dict[str, Any]]:
    """Seed the global generators in this context, and restore them afterwards.

    Yields:
        A dict that holds the generators' states at the end of the context once it is left.
    """
    before = _states()
    after = dict[str, Any]()
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield after
        after.update(_states())
    finally:
        random.setstate(before["random"])
        numpy.random.set_state(before["numpy"])
        torch.set_rng_state(before["torch"])


def _states() -> dict[str, Any]:
    return {
        "random": random.getstate(),
        "numpy": numpy.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
    }
