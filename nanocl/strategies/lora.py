"""LoRA: low-rank adapters."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from nanocl import optim
from nanocl.optim.groups import DENSE, head_parameters, layer_groups
from nanocl.records.ranges import at_least, number, one_of
from nanocl.strategies import Strategy


class LoRA(Strategy):
    """Low-rank adapters on every linear and convolutional layer of a frozen backbone.

    The output layer is trained in full, as `dense` says. The adapters are part of the optimizer's
    state (nanocl.optim.LowRankAdamW), and the weights always contain their sum, as after merging.
    So drift is measured on merged weights, and penalties on weights compose with adapters. The
    adapters are kept from one experience to the next, so that the change over the stream has the
    rank; `training.optimizer_state=reset` merges them after each experience and starts new ones.

    Args:
        lr: Learning rate of the adapters, above 0, or 0 with a `dense_lr`.
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are trained in full: `head`, `norms+head`, `norms` or `none`.
        rank: Rank of the change of a layer, at least 1, capped at the shorter side of its matrix. A
            convolution is the matrix (outputs, inputs * height * width).
        alpha: Above 0; the change is scaled by alpha / rank.
        beta1, beta2, eps: Of AdamW, for adapters and dense layers; in [0, 1), eps at least 0.
        weight_decay: Decoupled decay of the adapters' factors and the dense layers, at least 0.
        seed: Seed of the adapters' initial values.

    Source: Hu et al., 2022, arXiv:2106.09685, section 4.1, there on attention alone and without
        convolutions; the matrix of a convolution is as in Hugging Face PEFT.
    """

    citation: ClassVar[str] = """@inproceedings{hu2022lora,
  title = {{LoRA}: Low-Rank Adaptation of Large Language Models},
  author = {Hu, Edward J. and Shen, Yelong and Wallis, Phillip and Allen-Zhu, Zeyuan and Li, Yuanzhi
    and Wang, Shean and Wang, Lu and Chen, Weizhu},
  booktitle = {International Conference on Learning Representations},
  year = {2022},
  eprint = {2106.09685},
  archiveprefix = {arXiv}
}"""

    optimizer_class = optim.LowRankAdamW
    search_space = {"lr": (0.0001, 0.032)}

    def __init__(
        self,
        *,
        lr: float = 1e-3,
        dense_lr: float | None = None,
        dense: str = "head",
        rank: int = 8,
        alpha: float = 16.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.lr = number("lr", lr, 0, above=not dense_lr)
        self.dense_lr = self.lr if dense_lr is None else number("dense_lr", dense_lr, 0)
        self.dense = one_of("dense", dense, DENSE)
        self.options: dict[str, Any] = {
            "lr": lr,
            "betas": (
                number("beta1", beta1, 0, 1, below=True),
                number("beta2", beta2, 0, 1, below=True),
            ),
            "eps": number("eps", eps, 0),
            "weight_decay": number("weight_decay", weight_decay, 0),
            "rank": at_least("rank", rank, 1),
            "alpha": number("alpha", alpha, 0, above=True),
            "seed": seed,
        }
        # the optimizer checks its options here, before a model exists
        self.optimizer_class([torch.zeros(1)], **self.options)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        adapted = adaptable(model)
        dense = layer_groups(model, self.dense, {"rank": None, "lr": self.dense_lr})
        rest = [p for group in dense if "rank" not in group for p in group["params"]]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in rest if id(p) in adapted]},
            {"params": [p for p in rest if id(p) not in adapted], "rank": 0},
            *(group for group in dense if "rank" in group),
        ]
        return self.optimizer_class([group for group in groups if group["params"]], **self.options)


def adaptable(model: nn.Module) -> set[int]:
    """Identities of the weights that get adapters.

    Raises:
        ValueError: There is none.
    """
    head = head_parameters(model)
    weights = {
        id(module.weight)
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd)
        and f"{path}.weight".lstrip(".") not in head
    }
    if not weights:
        raise ValueError(
            "lora needs a model with a linear or convolutional layer before its output layer, "
            "got none; the other strategies train any network"
        )
    return weights
