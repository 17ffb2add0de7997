"""LIFT: Adam on the entries that are largest after a low-rank approximation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.optim._backend import function_for
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import (
    SELECTION,
    advance,
    has_dense,
    masked_bytes,
    start_dense,
    start_selection,
)
from nanocl.optim._options import check_choice, check_integer, check_masked, check_number
from nanocl.optim._plain.adamw import arithmetic_dtype
from nanocl.optim._plain.selection import even_starts, selected_count
from nanocl.optim._threads import Work

MOMENT_POLICIES = ("keep", "carry", "reset")


class LIFT(CompactOptimizer):
    """Adam on the principal weights of each parameter; all other entries keep every bit.

    Principal weights are the entries of largest magnitude in the best low-rank approximation of the
    parameter, as a matrix of outputs by everything else. They are selected anew every
    `mask_interval` steps of the parameter. The state holds their positions and moments only. A
    group with density 1 is dense AdamW. Of a parameter sharded over processes, each shard is a
    matrix of its own.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        density: Share of each parameter that is selected, in [0, 1]; at least one entry unless it
            is 0.
        rank: Rank of the approximation, a whole number from 1 on; below 1 a share of the matrix's
            shorter side, rounded up. The default is the authors' advice, 128 for a side of 4096;
            their runs use 16 to 128.
        mask_interval: Steps from one selection to the next; 10 to 2000 in the authors' runs, most
            often 400.
        chunk_size: Entries of a chunk, each of which gives its own share; None is the whole
            parameter, as in the paper.
        moment_policy: How a selection treats the moments. `keep`, as in the authors' code: entries
            that stay keep them, others start at zero, and the bias correction counts the
            parameter's steps, so that the first step of a new entry is longer (3.2 times with the
            default betas). `carry`: it counts the steps of each entry. `reset`: all moments and the
            step count of the bias correction start at zero.
        decay_scope: Which entries the decoupled weight decay shrinks: `selected` as in the authors'
            code, or `all`.
        state_dtype, seed, weight_rounding, fused: See `NanoAdam`.

    Raises:
        ValueError: An option is out of its range.

    Source: Liu, Pang, Balabanov, Yang, Huang, Yin, Yang and Liu, "LIFT the Veil for the Truth:
        Principal Weights Emerge after Rank Reduction for Reasoning-Focused Supervised Fine-Tuning",
        ICML 2025, arXiv:2506.00772: the top 5 % of the rank-reduced matrix; intervals and treatment
        of the moments from the authors' code. Departures: a convolution's kernel is a matrix
        (outputs, inputs * height * width), and a vector a matrix of one row, which equals its
        approximation (the paper has linear layers only); the first selection is made before the
        first step; the leading singular vectors come from the eigenvectors of the smaller Gram
        matrix in double precision.
    """

    version: ClassVar[int] = 1
    required_state: ClassVar[frozenset[str]] = frozenset(("step", "key", "mean", "square"))
    optional_state: ClassVar[frozenset[str]] = SELECTION

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.05,
        rank: float = 0.03125,
        mask_interval: int = 400,
        chunk_size: int | None = None,
        moment_policy: str = "keep",
        decay_scope: str = "selected",
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
            "density": density,
            "rank": rank,
            "mask_interval": mask_interval,
            "chunk_size": chunk_size,
            "moment_policy": moment_policy,
            "decay_scope": decay_scope,
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
            "fused": fused,
        }
        super().__init__(params, defaults)

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_masked(options)
        check_number("rank", options["rank"], 0.0, open_low=True)
        if options["rank"] > 1 and options["rank"] % 1:
            raise ValueError(
                f"rank must be a whole number or a share in (0, 1), got {options['rank']!r}"
            )
        check_integer("mask_interval", options["mask_interval"], 1)
        check_choice("moment_policy", options["moment_policy"], MOMENT_POLICIES)

    @staticmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        selected = selected_count(param.numel(), group["density"], group["chunk_size"])
        return masked_bytes(param, group, selected, dense=group["density"] == 1)

    def fixed_options(self, group: dict[str, Any]) -> frozenset[str]:
        fixed = super().fixed_options(group) | {"chunk_size", "moment_policy"}
        # no selection comes that a new density could change
        return fixed | {"density"} if has_dense(self.state, group) else fixed

    def is_due(self, step: int, group: dict[str, Any]) -> bool:
        return step % group["mask_interval"] == 0

    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        if not state:
            start = start_dense if group["density"] == 1 else start_selection
            start(param, state, group, self.ordinal(group["seed"]))
        # the paper's fixed interval of mask updates, counted for each parameter
        if "offset" in state and self.is_due(state["step"], group):
            _choose(param, state, group)
        return advance(param, state, group)


def _choose(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Select the largest entries of the rank-reduced parameter."""
    fused = group["fused"]
    density = group["density"]
    chunk = state["chunk"]
    select = function_for(param, fused, "selector", "select")
    reselect = function_for(param, fused, "selector", "reselect")
    offset = select(low_rank(param, group["rank"]), density, chunk, largest=True)
    start = even_starts(param.numel(), density, chunk, param.device)
    reselect(state, start, offset, group["moment_policy"])


def low_rank(values: Tensor, rank: float) -> Tensor:
    """The best low-rank approximation of a tensor as a matrix, flat, in the arithmetic's type.

    If U has the leading eigenvectors of W W', then U U' W is W without its smaller singular values.
    Unlike the vectors of an SVD, it does not depend on their signs and order. If the rank is not
    smaller than that of W, the result is W.

    Args:
        rank: From 1 on the rank, below 1 a share of the shorter side.
    """
    values = values.detach()
    matrix = values.flatten(1) if values.ndim > 1 else values.reshape(1, values.numel())
    matrix = matrix.to(arithmetic_dtype(values))
    short = min(matrix.shape)
    kept = math.ceil(rank * short * (1 - 1e-9)) if rank < 1 else int(rank)
    # eigh raises an error for matrices that are not finite, and a diverged run is a result
    if kept >= short or not matrix.isfinite().all():
        return matrix.reshape(-1)
    # the smaller of the two Gram matrices, in double precision because it squares the condition
    tall = matrix.shape[0] > matrix.shape[1]
    double = (matrix.T if tall else matrix).double()
    vectors = torch.linalg.eigh(double @ double.T).eigenvectors[:, -kept:]
    reduced = vectors @ (vectors.T @ double)
    return (reduced.T if tall else reduced).to(matrix.dtype).reshape(-1)
