"""MoFO: Adam that moves only the entries of largest first moment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.optim._backend import function_for
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense
from nanocl.optim._options import check_masked
from nanocl.optim._plain.selection import chunk_length
from nanocl.optim._threads import Work


class MoFO(CompactOptimizer):
    """Adam with moments of every entry that moves only the entries of largest first moment.

    The entries are selected anew in every step, after the moments are updated. Without weight
    decay, all other entries keep every bit. A group with density 1 is dense AdamW.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        density: Share of each chunk that moves in a step, in [0, 1], alpha in the paper; at least
            one entry unless it is 0.
        chunk_size: Entries of a chunk; None is the whole parameter, as in the paper.
        decay_scope: Which entries the decoupled weight decay shrinks: `all` as in the authors'
            code, or `selected`.
        state_dtype, seed, weight_rounding: See `NanoAdam`.
        fused: True demands the compiled loops (numba on the CPU), False plain PyTorch; None takes
            what fits.

    Raises:
        ValueError: An option is out of its range.

    Source: Chen, Wang, Zhang, Lin, Zhang, Sun, Ding and Sun, "MoFO: Momentum-Filtered Optimizer for
        Mitigating Forgetting in LLM Fine-Tuning", TMLR 2025, arXiv:2407.20999, Algorithm 1, with
        the parameters as its partition. Departures: the number of entries is rounded up (the
        authors' code rounds it down); of equal moments the first entries move (there, all of them);
        norms and biases are filtered unless their group has density 1 (the authors' code leaves
        both dense, and filters the output layer).
    """

    version: ClassVar[int] = 1
    required_state: ClassVar[frozenset[str]] = frozenset(("step", "key", "mean", "square"))

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.1,
        chunk_size: int | None = None,
        decay_scope: str = "all",
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
            "chunk_size": chunk_size,
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

    @staticmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        return masked_bytes(param, group, param.numel(), dense=True)

    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        if not state:
            start_dense(param, state, group, self.ordinal(group["seed"]))
        # the filter keeps everything, so that AdamW's kernels serve
        if group["density"] == 1:
            return advance(param, state, group)
        step = function_for(param, group["fused"], "mofo")
        chunk = chunk_length(param.numel(), group["chunk_size"])
        # Algorithm 1 after the gradient: moments, filter, step
        return advance(param, state, group, partial(step, density=group["density"], chunk=chunk))
