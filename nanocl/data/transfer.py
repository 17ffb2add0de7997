"""Copies of tensors to a device without a wait."""

from __future__ import annotations

import torch
from torch import Tensor


def moved(values: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on a device; itself if it is there.

    On the way to a GPU the host does not wait; on the way back it does, or it would read too early.
    """
    target = torch.device(device).type
    if values.device.type == "cpu" and target == "cuda":
        # from pageable memory the copy could wait for all that the GPU still has to do
        values = values.pin_memory()
    return values.to(device, non_blocking=target != "cpu")
