"""LoRA as an optimizer: AdamW on the two factors of a low-rank change of each matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense, state_dtype
from nanocl.optim._options import as_dtype, check_adam, check_choice, check_integer, check_number
from nanocl.optim._plain.adamw import AdamW, arithmetic_dtype, moments, move
from nanocl.optim._plain.rounding import store, stream_key
from nanocl.optim._threads import Work

FACTORS_KEY = 3  # beside those of `_masked_adamw`


class LowRankAdamW(CompactOptimizer):
    """Train each matrix W by a change of low rank, W + alpha / rank * B A, with AdamW on B and A alone.

    The parameter always holds the sum, and its gradient gives the factors' gradients by the chain
    rule. So a model needs no adapter layers, and whatever reads or adds to the gradients of its
    parameters goes on to work; what LoRA saves in gradients is not saved. An optimizer whose state
    is wiped begins new factors upon the sum: LoRA merged and begun again.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group. A tensor
            of more than two dimensions is a matrix of its first one by all others; one of less is
            trained by AdamW itself.
        weight_decay: Decoupled, of the factors.
        rank: Of the change, at most the matrix's shorter side; None trains the group by AdamW
            itself, 0 not at all.
        alpha: The change is scaled by alpha / rank.
        state_dtype, weight_rounding: See `NanoAdam`; the factors are float32, float64 for float64
            parameters.
        seed: Of the first A; B is zero.

    Raises:
        ValueError: An option is out of its range.

    Source: Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen, "LoRA: Low-Rank Adaptation of
        Large Language Models", ICLR 2022, arXiv:2106.09685, section 4.1, without dropout. A begins
        uniform in +-1 / sqrt(columns), as in the authors' code (the paper says Gaussian).
        Parameters of 16 bits are kept beside the factors as they were in the beginning, since their
        sum with a small change cannot be undone.
    """

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
        super().__init__(
            params,
            {
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
            },
        )

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_adam(options)
        if options["rank"] is not None:
            check_integer("rank", options["rank"], 0)
        check_number("alpha", options["alpha"], 0.0, open_low=True)
        check_choice("weight_rounding", options["weight_rounding"], ("nearest", "stochastic"))
        check_integer("seed", options["seed"], 0)
        as_dtype("state_dtype", options["state_dtype"])

    @staticmethod
    def bytes_of(param: Tensor, group: dict[str, Any]) -> int:
        if group["rank"] is None or param.ndim < 2:
            return (
                0 if group["rank"] == 0 else masked_bytes(param, group, param.numel(), dense=True)
            )
        rows, columns, rank = _sizes(param, group)
        each = arithmetic_dtype(param).itemsize + 2 * state_dtype(param, group).itemsize
        kept = param.numel() * param.dtype.itemsize if rank and _is_short(param) else 0
        return rank * (rows + columns) * each + kept

    def update(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        state = self.state[param]
        if group["rank"] == 0:
            return []
        if group["rank"] is None or param.ndim < 2:
            if not state:
                start_dense(param, state, group, self.ordinal(group["seed"]))
            return advance(param, state, group)
        if not state:
            _start_factors(param, state, group, self._place(param))
        return advance(param, state, group, lambda *given: _adapt(*given, group))

    def _place(self, param: Tensor) -> int:
        """Its number among all parameters: the first factor is the same whichever gradient comes first."""
        params = (other for group in self.param_groups for other in group["params"])
        return next(number for number, other in enumerate(params) if other is param)


def _sizes(param: Tensor, group: dict[str, Any]) -> tuple[int, int, int]:
    """Rows and columns of the matrix, and the rank of its change."""
    rows, columns = len(param), param.numel() // max(1, len(param))
    return rows, columns, min(group["rank"], rows, columns)


def _is_short(param: Tensor) -> bool:
    return param.dtype.itemsize < 4


def _start_factors(
    param: Tensor, state: dict[str, Any], group: dict[str, Any], ordinal: int
) -> None:
    """Fill the empty state: the factors in one flat tensor, A before B, and their moments."""
    rows, columns, rank = _sizes(param, group)
    factors = torch.zeros(
        rank * (columns + rows), dtype=arithmetic_dtype(param), device=param.device
    )
    factors[: rank * columns] = first_factor(
        stream_key(group["seed"], ordinal, FACTORS_KEY), rank, columns
    ).flatten()
    start_dense(factors, state, group, ordinal)
    state["factors"] = factors
    if _is_short(param):
        state["base"] = param.detach().clone()


def first_factor(key: int, rank: int, columns: int) -> Tensor:
    """The first A, shape (rank, columns), float64."""
    chance = torch.Generator().manual_seed(key)
    drawn = torch.rand(rank, columns, generator=chance, dtype=torch.float64)
    return (2 * drawn - 1) / max(1, columns) ** 0.5


def _adapt(param: Tensor, state: dict[str, Any], step: AdamW, group: dict[str, Any]) -> list[Work]:
    rows, columns, rank = _sizes(param, group)
    factors, scale = state["factors"], group["alpha"] / max(1, rank)
    a, b = factors[: rank * columns].view(rank, columns), factors[rank * columns :].view(rows, rank)
    matrix = param.grad.reshape(rows, columns).to(factors.dtype)
    before = None if "base" in state else scale * b @ a
    gradient = torch.cat([(scale * b.T @ matrix).flatten(), (scale * matrix @ a.T).flatten()])
    first, second = moments(gradient, state, step)
    move(factors, slice(None), first, second, step.since, step)
    change = (scale * b @ a).view(param.shape)
    if before is None:
        store(param, state["base"].to(change.dtype) + change, None)
    else:
        param.add_(change.sub_(before.view(param.shape)))
    return []
