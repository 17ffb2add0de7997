"""AdamW with cautious weight decay: only entries that the update moves towards zero decay."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.optim._backend import backend
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense
from nanocl.optim._options import ROUNDINGS, as_dtype, check_adam, check_choice, check_integer
from nanocl.optim._threads import Work


class CautiousAdamW(CompactOptimizer):
    """AdamW whose weight decay leaves alone the entries that the update moves away from zero.

    With u Adam's bias-corrected update: w <- w - lr * (u + weight_decay * [u w >= 0] w).

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        state_dtype: Of the moments; None is float32, float64 for float64 parameters. bfloat16 is
            rounded stochastically.
        seed: Of stochastic rounding.
        weight_rounding: How bfloat16 parameters are rounded after a step: `nearest` or
            `stochastic`.
        fused: True for the compiled loop (numba on the CPU), False for plain PyTorch, None for
            whichever fits.

    Raises:
        ValueError: An option is out of its range.

    Source: Chen, Li, Liang, Su, Xie, Pierse, Liang, Lao and Liu, "Cautious Weight Decay", 2025,
        arXiv:2510.12402, on AdamW. Not to be mistaken for the cautious optimizers of Liang et al.,
        2024, arXiv:2411.16085, which mask the update and not the decay.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        state_dtype: torch.dtype | str | None = None,
        seed: int = 0,
        weight_rounding: str = "nearest",
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "state_dtype": state_dtype,
                "seed": seed,
                "weight_rounding": weight_rounding,
                "fused": fused,
                "decay_scope": "selected",
            },
        )  # the decay is this optimizer's own

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_adam(options)
        check_choice("weight_rounding", options["weight_rounding"], ROUNDINGS)
        check_choice("fused", options["fused"], (None, True, False))
        check_integer("seed", options["seed"], 0)
        as_dtype("state_dtype", options["state_dtype"])

    @staticmethod
    def bytes_of(param: Tensor, group: dict[str, Any]) -> int:
        return masked_bytes(param, group, param.numel(), dense=True)

    def update(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        state = self.state[param]
        if not state:
            start_dense(param, state, group, self.ordinal(group["seed"]))
        return advance(param, state, group, backend(param, group["fused"]).cautious)
