"""CLASSP: Adagrad with any power on the entries whose gradient exceeds a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.optim._base import CompactOptimizer
from nanocl.optim._gradients import gradient_of
from nanocl.optim._options import as_dtype, check_choice, check_number, check_rounding
from nanocl.optim._plain.adamw import arithmetic_dtype
from nanocl.optim._plain.rounding import random_bits, store, stream_key
from nanocl.optim._threads import Work


class CLASSP(CompactOptimizer):
    """Moves an entry if its squared gradient exceeds a threshold; the more it moved, the less.

    Where g^2 > threshold: s <- s + |g|^p and w <- w - lr * g / (eps + s)^(1/p); elsewhere neither
    changes. With power 2 and threshold 0 this is Adagrad with its eps inside the root.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        eps: Added to the sum. With a sum of zero, the first step would have the same length for
            every gradient.
        weight_decay: Decoupled, of the entries that move; not in the paper.
        threshold: Of the squared gradient of one entry, at least 0.
        power: p, above 0. The authors' choice, 1, slows entries that have moved most.
        apply_decay: Whether steps shrink with the sum; otherwise they are those of gradient
            descent.
        state_dtype: Type of the sum; None is float32, or float64 for float64 parameters. bfloat16
            is rounded stochastically.
        seed: Seed of stochastic rounding.
        weight_rounding: How bfloat16 parameters are rounded after a step: `nearest` or
            `stochastic`.

    Raises:
        ValueError: An option is out of its range.

    Source: Ludwig, "CLASSP: a Biologically-Inspired Approach to Continual Learning through
        Adjustment Suppression and Sparsity Promotion", 2024, arXiv:2405.09637, in the form of the
        pseudo-code beside the author's code, where the sum includes the current gradient. The code
        itself departs from it: it compares the threshold with whether any gradient of a tensor is
        nonzero, so that a threshold below 1 has no effect, and its power does not enter the sum.
        We follow the formula. The author's thresholds do not apply to it, so the default is a small
        one of ours. In the vision experiment, steps do not shrink on the first data set, and the
        second has no threshold.
    """

    version: ClassVar[int] = 1
    required_state: ClassVar[frozenset[str]] = frozenset(("step", "key", "sum"))

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        eps: float = 1e-4,
        weight_decay: float = 0.0,
        *,
        threshold: float = 1e-8,
        power: float = 1.0,
        apply_decay: bool = True,
        state_dtype: torch.dtype | str | None = None,
        seed: int = 0,
        weight_rounding: str = "nearest",
    ) -> None:
        defaults = {
            "lr": lr,
            "eps": eps,
            "weight_decay": weight_decay,
            "threshold": threshold,
            "power": power,
            "apply_decay": apply_decay,
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
        }
        super().__init__(params, defaults)

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_number("lr", options["lr"], 0.0)
        check_number("eps", options["eps"], 0.0)
        check_number("weight_decay", options["weight_decay"], 0.0)
        check_number("threshold", options["threshold"], 0.0)
        check_number("power", options["power"], 0.0, open_low=True)
        check_choice("apply_decay", options["apply_decay"], (True, False))
        check_rounding(options)

    @staticmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        return param.numel() * _sum_dtype(param, group).itemsize

    def fixed_options(self, group: dict[str, Any]) -> frozenset[str]:
        return super().fixed_options(group) | {"power"}

    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        if not state:
            state.update(
                step=0,
                key=stream_key(group["seed"], self.ordinal(group["seed"])),
                sum=torch.zeros_like(param, dtype=_sum_dtype(param, group)),
            )
        state["step"] += 1
        gradient = gradient_of(param).to(arithmetic_dtype(param))
        # s <- s + |g|^p where g^2 > threshold
        passing = gradient.square() > float(group["threshold"])
        sums = state["sum"].to(gradient.dtype)
        power = float(group["power"])
        sums = torch.where(passing, sums + gradient.abs().pow_(power), sums)
        # w <- w - lr * g / (eps + s)^(1/p) where g^2 > threshold
        lr = float(group["lr"])
        update = gradient * lr
        if group["apply_decay"]:
            update.div_((sums + float(group["eps"])).pow_(1 / power))
        entries = param.to(gradient.dtype)
        decay = 1 - lr * float(group["weight_decay"])
        moved = torch.where(passing, entries * decay - update, entries)
        # rounded to nearest, a bfloat16 sum would stop growing at 256 times its addend
        rounded = state["sum"].dtype == torch.bfloat16
        store(state["sum"], sums, _bits(state, 0, param) if rounded else None)
        stochastic = group["weight_rounding"] == "stochastic"
        store(param, moved, _bits(state, 1, param) if stochastic else None)
        return []


def _sum_dtype(param: Tensor, group: Mapping[str, Any]) -> torch.dtype:
    return as_dtype("state_dtype", group["state_dtype"]) or arithmetic_dtype(param)


def _bits(state: dict[str, Any], purpose: int, param: Tensor) -> Tensor:
    """16 random bits for each entry; sum and parameter have different ones."""
    key = stream_key(state["key"], state["step"], purpose)
    return (random_bits(key, param.numel(), param.device) & 0xFFFF).view(param.shape)
