"""How the state of a parameter is saved and loaded."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

# entries that are numbers; some programs make tensors of all that a checkpoint has
NUMBERS = {
    **dict.fromkeys(("step", "key", "numel", "chunk", "chosen", "block", "bucket"), int),
    "density": float,
}


def shard_name(number: int, count: int) -> str:
    """The entry under which the state of one of several shards is saved.

    Each process has another name, because `torch.distributed.checkpoint` saves a plain tensor that
    several processes have under one name only once.
    """
    return f"shard {number + 1} of {count}"


def saved_state(state: dict[str, Any], shard: tuple[int, int]) -> dict[str, Any]:
    """The state of a parameter as it is saved."""
    return state if shard[1] == 1 else {shard_name(*shard): state}


def loaded_state(
    saved: Mapping[str, Any],
    shard: tuple[int, int],
    device: torch.device,
) -> dict[str, Any]:
    """The state of a parameter from what `saved_state` returned.

    Raises:
        ValueError: It was saved by another number of processes.
    """
    name = shard_name(*shard)
    names = {other for other in saved if other.startswith("shard ")} or {shard_name(0, 1)}
    if saved and names != {name}:
        raise ValueError(
            f"the state was saved as {' and '.join(sorted(names))} and cannot be loaded as {name}: "
            "load it with the number and order of processes that saved it, each its own"
        )
    entries = saved.get(name, saved)
    return {key: _copied(key, value, device) for key, value in entries.items()}


def _copied(name: str, value: Any, device: torch.device) -> Any:
    if name in NUMBERS and value is not None:
        return NUMBERS[name](value)
    if isinstance(value, Tensor):
        return value.to(device, copy=True)
    return copy.deepcopy(value)


def check_groups(
    name: str, groups: Collection[Mapping[str, Any]], options: Collection[str]
) -> None:
    """Raise ValueError unless the groups of a saved state have all options of an optimizer."""
    for group in groups:
        missing = sorted(set(options) - group.keys())
        if missing:
            raise ValueError(
                f"{name} cannot load the state of another optimizer: a group lacks the options "
                f"{', '.join(missing)}"
            )


def check_entries(
    name: str,
    state: Mapping[str, Any],
    required: frozenset[str],
    optional: frozenset[str],
) -> None:
    """Raise ValueError unless a saved state has the entries of an optimizer's, or is empty."""
    missing = sorted(required - state.keys())
    foreign = sorted(state.keys() - required - optional - {"numel"})
    if state and (missing or foreign):
        raise ValueError(
            f"{name} cannot load the state of another optimizer: the state of a parameter lacks "
            f"[{', '.join(missing)}] and has [{', '.join(foreign)}] instead"
        )
