"""CLASSP: Adagrad of any power on the weights whose gradient passes a threshold."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl import optim
from nanocl.libraries.groups import DENSE, layer_groups
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy


class CLASSP(Strategy):
    """Move a weight only where its squared gradient passes a threshold, less the more it moved (nanocl.optim.CLASSP).

    Args:
        lr: Learning rate, above 0.
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers have no threshold: `norms+head`, `norms`, `head` or, as in the paper,
            `none`.
        threshold: Of the squared gradient of a weight, at least 0; it depends on the scale of the
            loss and the size of the mini-batch.
        power: Of the gradients summed, above 0; 2 without threshold is Adagrad.
        apply_decay: Whether steps shrink with the sum of past gradients.
        eps, weight_decay, state_dtype, seed, weight_rounding: See `nanocl.optim.CLASSP`.

    Source: Ludwig, 2024, arXiv:2405.09637; the formula, from which the author's code departs, see
        `nanocl.optim.CLASSP`.
    """

    citation: ClassVar[str] = """@misc{ludwig2024classp,
  title = {{CLASSP}: a Biologically-Inspired Approach to Continual Learning through Adjustment Suppression and Sparsity
    Promotion},
  author = {Ludwig, Oswaldo},
  year = {2024},
  eprint = {2405.09637},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        lr: float = 1e-2,
        dense_lr: float | None = None,
        dense: str = "none",
        threshold: float = 1e-8,
        power: float = 1.0,
        apply_decay: bool = True,
        eps: float = 1e-4,
        weight_decay: float = 0.0,
        state_dtype: str | None = None,
        seed: int = 0,
        weight_rounding: str = "nearest",
    ) -> None:
        super().__init__()
        self.lr = number("lr", lr, 0, above=True)
        self.dense_lr = self.lr if dense_lr is None else number("dense_lr", dense_lr, 0)
        self.dense = one_of("dense", dense, DENSE)
        self.options = {
            "lr": lr,
            "threshold": number("threshold", threshold, 0),
            "power": number("power", power, 0, above=True),
            "apply_decay": apply_decay,
            "eps": number("eps", eps, 0),
            "weight_decay": number("weight_decay", weight_decay, 0),
            "state_dtype": state_dtype,
            "seed": seed,
            "weight_rounding": weight_rounding,
        }
        optim.CLASSP([torch.zeros(1)], **self.options)  # its own checks speak before a model exists

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return optim.CLASSP(
            layer_groups(model, self.dense, {"threshold": 0.0, "lr": self.dense_lr}), **self.options
        )
