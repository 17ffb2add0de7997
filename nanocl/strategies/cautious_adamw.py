"""AdamW with cautious weight decay."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl import optim
from nanocl.records.ranges import number
from nanocl.strategies import Strategy


class CautiousAdamW(Strategy):
    """AdamW that decays only the weights that the update moves towards zero (nanocl.optim.CautiousAdamW).

    Args:
        lr: Learning rate, above 0.
        beta1, beta2: Decay of the first and the second moment, in [0, 1).
        eps: Added to the root of the second moment, at least 0.
        weight_decay: Each step shrinks such weights by the factor 1 - lr * weight_decay; at least
            0.
        state_dtype, seed, weight_rounding, fused: See `nanocl.optim.CautiousAdamW`.

    Source: Chen et al., 2025, arXiv:2510.12402, on AdamW.
    """

    citation: ClassVar[str] = """@misc{chen2025cautious,
  title = {Cautious Weight Decay},
  author = {Chen, Lizhang and Li, Jonathan and Liang, Kaizhao and Su, Baiyu and Xie, Cong and Pierse, Nuo Wang and
    Liang, Chen and Lao, Ni and Liu, Qiang},
  year = {2025},
  eprint = {2510.12402},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        state_dtype: str | None = None,
        seed: int = 0,
        weight_rounding: str = "nearest",
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
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
            "fused": fused,
        }
        optim.CautiousAdamW(
            [torch.zeros(1)], **self.options
        )  # its own checks speak before a model exists

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return optim.CautiousAdamW(model.parameters(), **self.options)
