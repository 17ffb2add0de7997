"""A step of AdamW whose count of steps is a tensor, so that a CUDA graph can replay it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nanocl.optim._plain.adamw import adam_step, adamw, arithmetic_dtype
from nanocl.optim._threads import Work


def adamw_on_device(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
    """Take step `state["step"]`, a tensor, under the options of the group.

    Raises:
        ValueError: `fused` demands a kernel, and none with counts on the device fits.
    """
    if group["fused"]:
        raise ValueError(
            "fused must be None or False with capturable=True unless parameter and gradient are on "
            f"a GPU, contiguous and of one type, got True for a {param.dtype} parameter on "
            f"{param.device}"
        )
    step = adam_step(state, group)
    if group["decay_scope"] == "all" and float(group["weight_decay"]):
        decay_all(param, step.decay)
        step = step._replace(decay=1.0)
    return adamw(param, state, step)


def decay_all(param: Tensor, decay: Tensor | float) -> None:
    """Shrink every entry; a tensor would be rounded to the 16 bits of a parameter, often to 1."""
    param.copy_(param.to(arithmetic_dtype(param)) * decay)
