"""MoFO: Adam that moves only the entries of largest momentum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.optim._backend import backend
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense
from nanocl.optim._options import check_masked
from nanocl.optim._plain.selection import chunk_length
from nanocl.optim._threads import Work


class MoFO(CompactOptimizer):
    """Adam with moments of every entry that moves, in each step, only those of largest first moment.

    The entries are chosen anew in every step, after the moments have taken in the gradient; all
    others keep every bit (without weight decay). A group with density 1 is dense AdamW.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        density: Share of each parameter that moves in a step, in [0, 1], alpha in the paper; at
            least one entry unless it is 0.
        chunk_size: Entries of a chunk, each of which gives its own share; None is the whole
            parameter, as in the paper.
        decay_scope: Which entries the decoupled weight decay shrinks: `all` as in the authors'
            code, or `selected`.
        state_dtype, seed, weight_rounding: See `NanoAdam`.
        fused: True for the compiled loops (numba on the CPU), False for plain PyTorch, None for
            whichever fits.

    Raises:
        ValueError: An option is out of its range.

    Source: Chen, Wang, Zhang, Lin, Zhang, Sun, Ding and Sun, "MoFO: Momentum-Filtered Optimizer for
        Mitigating Forgetting in LLM Fine-Tuning", TMLR 2025, arXiv:2407.20999, Algorithm 1, with
        the parameters as its partition. Departures: the share is rounded up where the authors' code
        rounds down, and of equal momenta the first ones move where there all do; norms and biases
        are filtered unless they lie in a group with density 1 (the authors' code leaves both dense,
        and filters the output layer).
    """

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
        super().__init__(
            params,
            {
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
            },
        )

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_masked(options)

    @staticmethod
    def bytes_of(param: Tensor, group: dict[str, Any]) -> int:
        return masked_bytes(param, group, param.numel(), dense=True)

    def update(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        state = self.state[param]
        if not state:
            start_dense(param, state, group, self.ordinal(group["seed"]))
        if group["density"] == 1:
            return advance(param, state, group)
        chunk, rule = (
            chunk_length(param.numel(), group["chunk_size"]),
            backend(param, group["fused"]).mofo,
        )
        return advance(param, state, group, lambda *given: rule(*given, group["density"], chunk))
