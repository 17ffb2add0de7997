"""MicroAdam: Adam on the largest entries of each block, with 4-bit error feedback."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.optim._backend import function_for
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._options import as_dtype, check_adam, check_choice, check_integer, check_number
from nanocl.optim._plain.selection import SHORT_CHUNK, selected_count, whole_buckets
from nanocl.optim._threads import Work


class MicroAdam(CompactOptimizer):
    """Adam whose moments are computed from the last `window` sparse gradients, with error feedback.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        weight_decay: Decoupled, on every entry.
        density: Share of each block that enters the window in a step, in (0, 1].
        window: Number of sparse gradients from which the moments are computed.
        quant_block: Entries that share the bounds of their 4-bit codes.
        block_size: Entries of a block, at most 32768; None is 32768.
        state_dtype: Type of the window's values and of the bounds; None is bfloat16.
        fused: True demands the compiled CPU kernel, False plain PyTorch; None takes what fits.

    Raises:
        ValueError: An option is out of its range.

    Source: Modoranu et al., "MicroAdam: Accurate Adaptive Optimization with Low Space Overhead and
        Provable Convergence", NeurIPS 2024, arXiv:2405.15593, Algorithm 1, with the bias correction
        by the step count of the authors' kernels. Departures: ages of the window's rows are counted
        per parameter (the authors' global counter is wrong for a parameter added late); the block
        size does not depend on the device; the rounding error of a value in `state_dtype` is added
        to the error instead of being lost; bounds are rounded outwards; the gradient is unchanged;
        magnitudes beyond half of the largest number of `state_dtype` are set to it, and NaN or
        infinity reaches the entry's weight but not the error.
    """

    version: ClassVar[int] = 1
    required_state: ClassVar[frozenset[str]] = frozenset(
        ("step", "block", "bucket", "density", "codes", "low", "high", "offset", "value")
    )

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.01,
        window: int = 10,
        quant_block: int = 64,
        block_size: int | None = None,
        state_dtype: torch.dtype | str | None = None,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "density": density,
            "window": window,
            "quant_block": quant_block,
            "block_size": block_size,
            "state_dtype": state_dtype,
            "fused": fused,
        }
        super().__init__(params, defaults)

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_adam(options)
        check_number("density", options["density"], 0.0, 1.0, open_low=True)
        check_integer("window", options["window"], 1)
        check_integer("quant_block", options["quant_block"], 1)
        if options["block_size"] is not None:
            check_integer("block_size", options["block_size"], 1, SHORT_CHUNK)
        check_choice("fused", options["fused"], (None, True, False))
        as_dtype("state_dtype", options["state_dtype"])
        # the kernel writes whole bytes of codes, so that no bucket may lie in two blocks
        block = options["block_size"] or SHORT_CHUNK
        bucket = options["quant_block"]
        if options["fused"] and not whole_buckets(block, bucket):
            raise ValueError(
                f"quant_block must be even and divide the block size {block} when fused is True, "
                f"got {bucket}"
            )

    @staticmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        layout = _layout(param, group).values()
        return sum(math.prod(shape) * dtype.itemsize for shape, dtype in layout)

    def fixed_options(self, group: dict[str, Any]) -> frozenset[str]:
        return frozenset(("density", "window", "quant_block", "block_size", "state_dtype"))

    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        if not state:
            _start(param, state, group)
        state["step"] += 1
        return function_for(param, group["fused"], "microadam")(param, state, group)


def _start(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Fill the empty state of a parameter."""
    state.update(
        step=0,
        block=group["block_size"] or SHORT_CHUNK,
        bucket=group["quant_block"],
        density=group["density"],
    )
    for name, (shape, dtype) in _layout(param, group).items():
        state[name] = torch.zeros(shape, dtype=dtype, device=param.device)


def _layout(
    param: Tensor, group: Mapping[str, Any]
) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and dtype of each state tensor."""
    numel = param.numel()
    dtype = as_dtype("state_dtype", group["state_dtype"]) or torch.bfloat16
    buckets = (-(-numel // group["quant_block"]),)
    sent = selected_count(numel, group["density"], group["block_size"] or SHORT_CHUNK)
    window = (group["window"], sent)
    # Algorithm 1: the quantised error e with its bounds delta and Delta, the window (I, V)
    return {
        "codes": ((-(-numel // 2),), torch.uint8),
        "low": (buckets, dtype),
        "high": (buckets, dtype),
        "offset": (window, torch.int16),
        "value": (window, dtype),
    }
