"""MicroAdam: Adam on the largest entries of each block, with a 4-bit memory of all that was held back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._adamw import arithmetic_dtype
from ._base import CompactOptimizer
from ._options import as_dtype, check_adam, check_choice, check_integer, check_number
from ._quantise import dequantise, quantise
from ._selection import SHORT_CHUNK, even_starts, flat_index, magnitude_bits, select_lowest, selected_count


class MicroAdam(CompactOptimizer):
    """Adam whose moments are computed from the last `window` sparse gradients, with error feedback.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        weight_decay: Decoupled, on every entry.
        density: Share of each block whose entries are sent to the window in a step, in (0, 1].
        window: Sparse gradients that the moments are computed from.
        quant_block: Entries that share the bounds of their 4-bit codes.
        block_size: Entries of a block, at most 32768, which is also what None means.
        state_dtype: Of the window's values and of the bounds; None is bfloat16.
        fused: True for the compiled CPU kernel, False for plain PyTorch, None for whichever fits.

    Raises:
        ValueError: An option is out of its range.

    Source: Modoranu et al., "MicroAdam: Accurate Adaptive Optimization with Low Space Overhead and Provable
        Convergence", NeurIPS 2024, arXiv:2405.15593, Algorithm 1, bias correction by the step as in the authors'
        kernels. Departures: ages of the window's rows are counted per parameter (the authors' global counter is wrong
        for a parameter that comes late); the block does not depend on the device; what the rounding of a value to
        `state_dtype` loses goes to the error instead of being lost (nothing, for bfloat16 in exact arithmetic);
        bounds are rounded outwards; the gradient is left as it was.
    """

    def __init__(self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, *, density: float = 0.01, window: int = 10, quant_block: int = 64,
                 block_size: int | None = None, state_dtype: torch.dtype | str | None = None,
                 fused: bool | None = None) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "density": density, "window": window,
            "quant_block": quant_block, "block_size": block_size, "state_dtype": state_dtype, "fused": fused})

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

    def update(self, param: Tensor, group: dict[str, Any]) -> None:
        state = self.state[param]
        if not state:
            self._start(param, group)
        row = state["step"] % len(state["value"])
        state["step"] += 1
        _send(param, state, row, group)
        flat = param.reshape(-1).to(arithmetic_dtype(param))
        flat = flat * (1 - float(group["lr"]) * group["weight_decay"])
        mean, square = _window_moments(state, param.numel(), group["betas"], flat.dtype)
        flat -= float(group["lr"]) * mean / (square.sqrt_() + group["eps"])
        param.copy_(flat.view_as(param))

    def _start(self, param: Tensor, group: dict[str, Any]) -> None:
        state, numel = self.state[param], param.numel()
        dtype = as_dtype("state_dtype", group["state_dtype"]) or torch.bfloat16
        state["step"] = 0
        state["block"] = group["block_size"] or SHORT_CHUNK
        state["bucket"] = group["quant_block"]
        state["density"] = group["density"]
        sent = selected_count(numel, group["density"], state["block"])
        shapes = {"codes": ((numel + 1) // 2, torch.uint8), "low": (-(-numel // state["bucket"]), dtype),
                  "high": (-(-numel // state["bucket"]), dtype), "offset": ((group["window"], sent), torch.int16),
                  "value": ((group["window"], sent), dtype)}
        for name, (shape, kind) in shapes.items():
            state[name] = torch.zeros(shape, dtype=kind, device=param.device)


def _send(param: Tensor, state: dict[str, Any], row: int, group: dict[str, Any]) -> None:
    """Put the largest entries of gradient and error into a row of the window, and the rest into the error."""
    total = param.grad.reshape(-1).to(arithmetic_dtype(param))
    total = total + dequantise(state["codes"], state["low"], state["high"], state["bucket"], len(total), total.dtype)
    state["offset"][row] = select_lowest(~magnitude_bits(total), state["density"], state["block"])
    index = _index_of_row(state, row, len(total))
    state["value"][row] = total[index]
    total[index] -= state["value"][row].to(total.dtype)
    quantise(total, state["codes"], state["low"], state["high"], state["bucket"])


def _index_of_row(state: dict[str, Any], row: int, numel: int) -> Tensor:
    start = even_starts(numel, state["density"], state["block"], state["offset"].device)
    return flat_index(start, state["offset"][row], state["block"])


def _window_moments(state: dict[str, Any], numel: int, betas: tuple[float, float],
                    dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Bias-corrected moments of the rows in the window, dense, shape (numel,) each."""
    mean, square = (torch.zeros(numel, dtype=dtype, device=state["value"].device) for _ in range(2))
    window, step = len(state["value"]), state["step"]
    for row in range(min(window, step)):
        age = (step - 1 - row) % window
        index, value = _index_of_row(state, row, numel), state["value"][row].to(dtype)
        mean.index_add_(0, index, value, alpha=betas[0] ** age)
        square.index_add_(0, index, value.square(), alpha=betas[1] ** age)
    mean *= (1 - betas[0]) / (1 - betas[0] ** step)
    square *= (1 - betas[1]) / (1 - betas[1] ** step)
    return mean, square
