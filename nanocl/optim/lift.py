"""LIFT: Adam on the entries that are largest after a low-rank approximation, with a state for those alone."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from nanocl.optim._backend import backend
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense, start_selection
from nanocl.optim._options import check_choice, check_integer, check_masked, check_number
from nanocl.optim._plain.adamw import arithmetic_dtype
from nanocl.optim._plain.selection import even_starts, selected_count
from nanocl.optim._threads import Work

MOMENT_POLICIES = ("keep", "carry", "reset")


class LIFT(CompactOptimizer):
    """Adam on the principal weights of each parameter; all other entries keep every bit.

    Principal are the entries of largest magnitude in the best approximation of low rank to the
    parameter, seen as a matrix of outputs by all else. They are found anew every `mask_interval`
    steps of the parameter; the state holds their places and moments alone. A group with density 1
    is dense AdamW.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        density: Share of each parameter that is selected, in [0, 1]; at least one entry unless it
            is 0.
        rank: Of the approximation: from 1 on the rank itself, a whole number; below 1 a share of
            the matrix's shorter side, rounded up. The default is the authors' advice, 128, for a
            side of 4096; their runs take 16 to 128.
        mask_interval: Steps from one selection to the next; 10 to 2000 in the authors' runs, most
            often 400.
        chunk_size: Entries of a chunk, each of which gives its own share; None is the whole
            parameter, as in the paper.
        moment_policy: What a selection does to the moments: `keep` is the authors' way, entries
            that stay keep them, others start at zero, and the bias correction counts the
            parameter's steps (so that the first step of an entry that comes late is longer, 3.2
            times with the default betas); `carry` counts the steps of each entry; `reset` zeroes
            all, and the step count.
        decay_scope: Which entries the decoupled weight decay shrinks: `selected` as in the authors'
            code, or `all`.
        state_dtype, seed, weight_rounding, fused: See `NanoAdam`.

    Raises:
        ValueError: An option is out of its range.

    Source: Liu, Pang, Balabanov, Yang, Huang, Yin, Yang and Liu, "LIFT the Veil for the Truth:
        Principal Weights Emerge after Rank Reduction for Reasoning-Focused Supervised Fine-Tuning",
        ICML 2025, arXiv:2506.00772: the top 5 % of the rank-reduced matrix; intervals and the fate
        of the moments from the authors' code. Departures: a convolution's kernel is a matrix
        (outputs, inputs * height * width), a vector a matrix of one row, which is its own
        approximation (the paper has linear layers only); the first selection is made before the
        first step; the leading singular vectors come from the eigenvectors of the smaller Gram
        matrix in double precision.
    """

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
        super().__init__(
            params,
            {
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
            },
        )

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
    def bytes_of(param: Tensor, group: dict[str, Any]) -> int:
        return masked_bytes(
            param,
            group,
            selected_count(param.numel(), group["density"], group["chunk_size"]),
            dense=group["density"] == 1,
        )

    def is_due(self, step: int, group: dict[str, Any]) -> bool:
        return step % group["mask_interval"] == 0

    def update(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        state = self.state[param]
        if not state:
            start = start_dense if group["density"] == 1 else start_selection
            start(param, state, group, self.ordinal(group["seed"]))
        if "offset" in state and self.is_due(state["step"], group):
            _choose(param, state, group)
        return advance(param, state, group)


def _choose(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    kind, density, chunk = backend(param, group["fused"]), group["density"], state["chunk"]
    offset = kind.select(low_rank(param, group["rank"]), density, chunk, largest=True)
    kind.reselect(
        state,
        even_starts(param.numel(), density, chunk, param.device),
        offset,
        group["moment_policy"],
    )


def low_rank(values: Tensor, rank: float) -> Tensor:
    """The best approximation of a rank to a tensor seen as a matrix, flat, in the type of the arithmetic.

    With the leading eigenvectors U of W W', U U' W is W cut after its largest singular values:
    signs and order of the vectors, which an SVD leaves open, play no part. A rank that W has anyway
    gives W.

    Args:
        rank: From 1 on the rank, below 1 a share of the shorter side.
    """
    matrix = (
        values.detach().flatten(1)
        if values.ndim > 1
        else values.detach().reshape(1, values.numel())
    )
    matrix = matrix.to(arithmetic_dtype(values))
    short = min(matrix.shape)
    kept = math.ceil(rank * short * (1 - 1e-9)) if rank < 1 else int(rank)
    if kept >= short or not matrix.isfinite().all():
        return matrix.reshape(-1)
    tall = matrix.shape[0] > matrix.shape[1]
    double = (matrix.T if tall else matrix).double()
    vectors = torch.linalg.eigh(double @ double.T).eigenvectors[:, -kept:]
    reduced = vectors @ (vectors.T @ double)
    return (reduced.T if tall else reduced).to(matrix.dtype).reshape(-1)
