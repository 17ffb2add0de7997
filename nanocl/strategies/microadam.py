"""MicroAdam: Adam from a window of sparse gradients."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.optim import AdamW, Optimizer

from nanocl import optim
from nanocl.libraries.hybrid import Hybrid
from nanocl.optim.groups import DENSE, layer_groups
from nanocl.records import Option
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy
from nanocl.strategies._optimizer import checked


class MicroAdam(Strategy):
    """Adam from a window of sparse gradients with 4-bit error feedback.

    Every layer is sparse by default, as in the authors' kernels.

    Args:
        dense: Layers that AdamW trains instead, with the same betas, eps and weight decay:
            `norms+head`, `norms`, `head` or `none`. It makes a comparison with optimizers fair
            whose output layer is dense, such as NanoAdam.
        dense_lr: Learning rate of these layers; None is `lr`.
        options: Those of `nanocl.optim.MicroAdam`.

    Source: Modoranu et al., 2024, arXiv:2405.15593, Algorithm 1; `nanocl.optim.MicroAdam` lists the
        departures.
    """

    citation: ClassVar[str] = """@inproceedings{modoranu2024microadam,
  title = {MicroAdam: Accurate Adaptive Optimization with Low Space Overhead and Provable
    Convergence},
  author = {Modoranu, Ionut-Vlad and Safaryan, Mher and Malinovsky, Grigory and Kurtic, Eldar and
    Robert, Thomas and Richtarik, Peter and Alistarh, Dan},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2024},
  eprint = {2405.15593},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.MicroAdam
    search_space = {"lr": (0.0001, 0.032)}
    later_options = ("dense", "dense_lr")

    def __init__(
        self, *, dense: str = "none", dense_lr: float | None = None, **options: Option
    ) -> None:
        super().__init__()
        self.options = checked(self.optimizer_class, options, may_freeze=bool(dense_lr))
        self.dense = one_of("dense", dense, DENSE)
        self.dense_lr = number("dense_lr", self.options["lr"] if dense_lr is None else dense_lr, 0)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        members = []
        for group in layer_groups(model, self.dense, {"lr": self.dense_lr, "fused": True}):
            if "fused" in group:
                same = {name: self.options[name] for name in ("betas", "eps", "weight_decay")}
                members.append(AdamW([group], **same))
            else:
                members.append(self.optimizer_class([group], **self.options))
        return members[0] if len(members) == 1 else Hybrid(*members)
