"""LoRA as an optimizer: AdamW on the two factors of a low-rank change of each matrix."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.optim._base import CompactOptimizer
from nanocl.optim._gradients import gradient_of
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense, state_dtype
from nanocl.optim._options import check_adam, check_integer, check_number, check_rounding
from nanocl.optim._plain.adamw import AdamStep, arithmetic_dtype, moments, move
from nanocl.optim._plain.rounding import store, stream_key
from nanocl.optim._plain.selection import CPU
from nanocl.optim._threads import Work

FACTORS_KEY = 3  # other random bits than those of `_plain.rounding`'s keys 0 to 2


class LowRankAdamW(CompactOptimizer):
    """Changes each matrix W by a low-rank product, W + alpha / rank * B A; AdamW trains B and A.

    The parameter always holds the sum, and its gradient gives the factors' gradients by the chain
    rule. So the model needs no adapter layers, and code that reads or adds to the gradients of its
    parameters works unchanged; but the gradients take the memory that LoRA's adapters save. If the
    state is emptied, new factors start from the sum, which is LoRA merged and restarted. Of a
    parameter sharded over processes, each shard is a matrix with factors of its own.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group. A tensor
            of more than two dimensions is a matrix of its first dimension by all others; AdamW
            itself trains tensors with fewer than two.
        weight_decay: Decoupled, of the factors.
        rank: Rank of the change, limited to the matrix's shorter side; None trains the group by
            AdamW itself, 0 does not train it.
        alpha: The change is scaled by alpha / rank.
        state_dtype, weight_rounding: See `NanoAdam`; the factors are float32, or float64 for
            float64 parameters.
        seed: Seed of the first A; the first B is zero.

    Raises:
        ValueError: An option is out of its range.

    Source: Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen, "LoRA: Low-Rank Adaptation of
        Large Language Models", ICLR 2022, arXiv:2106.09685, section 4.1, without dropout. The first
        A is uniform in +-1 / sqrt(columns), as in the authors' code (the paper says Gaussian). The
        state keeps the first values of 16-bit parameters, because a small change cannot be
        subtracted from their rounded sum.
    """

    version: ClassVar[int] = 1
    required_state: ClassVar[frozenset[str]] = frozenset(("step", "key", "mean", "square"))
    optional_state: ClassVar[frozenset[str]] = frozenset(("factors", "base"))

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        rank: int | None = 8,
        alpha: float = 16.0,
        state_dtype: torch.dtype | str | None = None,
        seed: int = 0,
        weight_rounding: str = "nearest",
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "rank": rank,
            "alpha": alpha,
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
            "decay_scope": "selected",
            "fused": None,
        }
        super().__init__(params, defaults)

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_adam(options)
        if options["rank"] is not None:
            check_integer("rank", options["rank"], 0)
        check_number("alpha", options["alpha"], 0.0, open_low=True)
        check_rounding(options)

    @staticmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        if group["rank"] == 0:
            return 0
        if group["rank"] is None or param.ndim < 2:
            return masked_bytes(param, group, param.numel(), dense=True)
        rows, columns, rank = _sizes(param, group)
        each = arithmetic_dtype(param).itemsize + 2 * state_dtype(param, group).itemsize
        # 16-bit parameters are kept as they were before the first step
        kept = param.numel() * param.dtype.itemsize if rank and _is_short(param) else 0
        return rank * (rows + columns) * each + kept

    def fixed_options(self, group: dict[str, Any]) -> frozenset[str]:
        # the parameter holds the product of the factors, scaled by alpha / rank
        return super().fixed_options(group) | {"rank", "alpha"}

    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        if group["rank"] == 0:
            return []
        if group["rank"] is None or param.ndim < 2:
            if not state:
                start_dense(param, state, group, self.ordinal(group["seed"]))
            return advance(param, state, group)
        if not state:
            _start_factors(param, state, group, self._place(state))
        return advance(param, state, group, partial(_adapt, group=group))

    def _place(self, state: dict[str, Any]) -> int:
        """The parameter's number among all, on which the first A depends.

        It is the same whichever parameter has the first gradient.
        """
        params = (other for group in self.param_groups for other in group["params"])
        return next(number for number, other in enumerate(params) if self.state.get(other) is state)


def _sizes(param: Tensor, group: Mapping[str, Any]) -> tuple[int, int, int]:
    """Rows and columns of the matrix, and the rank of its change."""
    rows = len(param)
    columns = param.numel() // max(1, len(param))
    return rows, columns, min(group["rank"], rows, columns)


def _is_short(param: Tensor) -> bool:
    return param.dtype.itemsize < 4


def _start_factors(
    param: Tensor,
    state: dict[str, Any],
    group: dict[str, Any],
    ordinal: int,
) -> None:
    """Fill the empty state: the factors in one flat tensor, A before B, and their moments."""
    rows, columns, rank = _sizes(param, group)
    key = stream_key(group["seed"], ordinal, FACTORS_KEY)
    kind = arithmetic_dtype(param)
    size = rank * (columns + rows)
    factors = torch.zeros(size, dtype=kind, device=param.device)
    factors[: rank * columns] = first_factor(key, rank, columns).flatten()
    start_dense(factors, state, group, ordinal)
    state["factors"] = factors
    if _is_short(param):
        state["base"] = param.detach().clone()


def first_factor(key: int, rank: int, columns: int) -> Tensor:
    """The first A, shape (rank, columns), float64."""
    generator = torch.Generator(CPU).manual_seed(key)
    uniform = torch.rand(rank, columns, generator=generator, dtype=torch.float64, device=CPU)
    return (2 * uniform - 1) / max(1, columns) ** 0.5


def _adapt(
    param: Tensor,
    state: dict[str, Any],
    step: AdamStep,
    group: dict[str, Any],
) -> list[Work]:
    """One step of AdamW on the factors, and the new sum."""
    rows, columns, rank = _sizes(param, group)
    factors = state["factors"]
    scale = group["alpha"] / max(1, rank)
    a = factors[: rank * columns].view(rank, columns)
    b = factors[rank * columns :].view(rows, rank)
    matrix = gradient_of(param).reshape(rows, columns).to(factors.dtype)
    before = None if "base" in state else scale * b @ a
    # chain rule for W = W0 + scale * B A: dA = scale * B' dW, dB = scale * dW A'
    gradient = torch.cat([(scale * b.T @ matrix).flatten(), (scale * matrix @ a.T).flatten()])
    first, second = moments(gradient, state, step)
    move(factors, slice(None), first, second, step.since, step)
    # section 4.1: h = W0 x + scale * B A x, so the parameter is W0 + scale * B A
    change = (scale * b @ a).view(param.shape)
    if before is None:
        store(param, state["base"].to(change.dtype) + change, None)
    else:
        param.add_(change.sub_(before.view(param.shape)))
    return []
