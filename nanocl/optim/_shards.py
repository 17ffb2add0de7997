"""Parameters that are spread over processes (DTensor): the part of this process."""

from __future__ import annotations

import sys
from typing import Any

from torch import Tensor

from nanocl.optim._gradients import PLAIN
from nanocl.optim._plain.rounding import stream_key

SHARDS_KEY = 4  # other random bits than those of the keys 0 to 3


def is_distributed(tensor: Tensor) -> bool:
    """Whether a tensor is a DTensor, as those of `fully_shard`."""
    if type(tensor) in PLAIN:
        return False
    # no tensor has this type before its module is imported, which takes long
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def local(param: Tensor) -> Tensor:
    """The part of a parameter and of its gradient that this process holds, in the same memory.

    This is the parameter itself unless it is a DTensor.

    Raises:
        RuntimeError: Each process holds one term of a sum, or only the parameter is distributed.
    """
    if not is_distributed(param):
        return param
    distributed: Any = param
    if any(placement.is_partial() for placement in distributed.placements):
        raise RuntimeError(
            "optimizers take sharded or replicated parameters, got one whose processes hold terms "
            f"of a sum: {distributed.placements}"
        )
    part = distributed.to_local().detach()
    gradient: Any = param.grad
    if gradient is not None:
        if not is_distributed(gradient):
            raise RuntimeError(
                f"the gradient of a distributed parameter must be distributed too, got one of type "
                f"{type(gradient).__name__}"
            )
        if gradient.placements != distributed.placements:
            gradient = gradient.redistribute(placements=distributed.placements)
        part.grad = gradient.to_local()
    return part


def shard_of(param: Tensor) -> tuple[int, int]:
    """The number of this process's shard, and the number of shards; (0, 1) if it holds all."""
    number, count = 0, 1
    if is_distributed(param):
        distributed: Any = param
        mesh = distributed.device_mesh
        for placement, place, size in zip(
            distributed.placements, mesh.get_coordinate(), mesh.shape, strict=True
        ):
            if not placement.is_replicate():
                number, count = number * size + place, count * size
    return number, count


def options_of_shard(param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
    """The options of a parameter's group, with another seed for each shard but the first."""
    number, _ = shard_of(param)
    if number == 0 or "seed" not in group:
        return group
    # entries of two shards at the same place would be rounded with the same random bits
    return {**group, "seed": stream_key(group["seed"], number, SHARDS_KEY)}
