"""MicroAdam: Adam from a window of sparse gradients."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl import optim
from nanocl.records.ranges import number
from nanocl.strategies import Strategy


class MicroAdam(Strategy):
    """Adam from a window of sparse gradients with 4-bit error feedback (nanocl.optim.MicroAdam).

    Args:
        lr: Learning rate, above 0.
        density: Share of each block sent to the window in a step, in (0, 1].
        window: Sparse gradients that the moments are computed from.
        quant_block: Entries that share the bounds of their 4-bit codes.
        block_size: Entries of a block; None is 32768.
        beta1, beta2, eps, weight_decay, state_dtype, fused: See `nanocl.optim.MicroAdam`.

    Source: Modoranu et al., 2024, arXiv:2405.15593, Algorithm 1; every layer is sparse, as in the
        authors' kernels. Departures are said in `nanocl.optim.MicroAdam`.
    """

    citation: ClassVar[str] = """@inproceedings{modoranu2024microadam,
  title = {MicroAdam: Accurate Adaptive Optimization with Low Space Overhead and Provable Convergence},
  author = {Modoranu, Ionut-Vlad and Safaryan, Mher and Malinovsky, Grigory and Kurtic, Eldar and
    Robert, Thomas and Richtarik, Peter and Alistarh, Dan},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2024},
  eprint = {2405.15593},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        density: float = 0.01,
        window: int = 10,
        quant_block: int = 64,
        block_size: int | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        state_dtype: str | None = None,
        fused: bool | None = None,
    ) -> None:
        super().__init__()
        self.options = {
            "lr": number("lr", lr, 0, above=True),
            "betas": (
                number("beta1", beta1, 0, 1, below=True),
                number("beta2", beta2, 0, 1, below=True),
            ),
            "eps": number("eps", eps, 0),
            "weight_decay": number("weight_decay", weight_decay, 0),
            "density": number("density", density, 0, 1, above=True),
            "window": window,
            "quant_block": quant_block,
            "block_size": block_size,
            "state_dtype": state_dtype,
            "fused": fused,
        }
        optim.MicroAdam(
            [torch.zeros(1)], **self.options
        )  # its own checks speak before a model exists

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return optim.MicroAdam(model.parameters(), **self.options)
