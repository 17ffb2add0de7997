"""AdamW with cautious weight decay: only entries that the update moves towards zero decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.optim._backend import function_for
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense
from nanocl.optim._options import check_adam, check_choice, check_rounding
from nanocl.optim._threads import Work


class CautiousAdamW(CompactOptimizer):
    """AdamW whose weight decay skips the entries that the update moves away from zero.

    With u Adam's bias-corrected update: w <- w - lr * (u + weight_decay * [u w >= 0] w).

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        state_dtype, seed, weight_rounding: See `NanoAdam`.
        fused: True demands the compiled loop (numba on the CPU), False plain PyTorch; None takes
            what fits.

    Raises:
        ValueError: An option is out of its range.

    Source: Chen, Li, Liang, Su, Xie, Pierse, Liang, Lao and Liu, "Cautious Weight Decay", 2025,
        arXiv:2510.12402, on AdamW. The cautious optimizers of Liang et al., 2024, arXiv:2411.16085,
        are different: they mask the update, not the decay.
    """

    version: ClassVar[int] = 1
    required_state: ClassVar[frozenset[str]] = frozenset(("step", "key", "mean", "square"))

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
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
            "fused": fused,
            # `advance` leaves the decay to the rule, which decides entry by entry
            "decay_scope": "selected",
        }
        super().__init__(params, defaults)

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_adam(options)
        check_choice("fused", options["fused"], (None, True, False))
        check_rounding(options)

    @staticmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        return masked_bytes(param, group, param.numel(), dense=True)

    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        if not state:
            start_dense(param, state, group, self.ordinal(group["seed"]))
        # w <- w - lr (u + weight_decay [u w >= 0] w)
        return advance(param, state, group, function_for(param, group["fused"], "cautious_adamw"))
