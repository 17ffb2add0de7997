"""WiSE-FT: interpolation of the weights before and after an experience."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nanocl.optim.groups import head_parameters
from nanocl.records.ranges import number
from nanocl.strategies import Strategy


class WiseFT(Strategy):
    """After each experience but the first, go back a part of the way that the backbone went.

    `w <- (1 - alpha) * w_before + alpha * w_after`, for weights and for running statistics. It
    costs one copy of the backbone and nothing in training. Output layers stay as trained. The first
    experience counts as pretraining: before it there is nothing to keep, unless the stream says
    that the weights were trained on it (option `start`), which trains nothing there. In a
    composition it stands before parts that keep weights, such as `wise-ft+ewc`: they take those at
    the end of an experience in the order of the composition, and must see the interpolated ones.

    Args:
        alpha: In [0, 1]; 1 is training alone.

    Source: Wortsman et al., 2022, arXiv:2109.01903, equation 1. Departures: applied after each
        experience of a stream; the output layer of a new experience, which does not exist before
        it, is not interpolated.
    """

    citation: ClassVar[str] = """@inproceedings{wortsman2022robust,
  title = {Robust Fine-Tuning of Zero-Shot Models},
  author = {Wortsman, Mitchell and Ilharco, Gabriel and Kim, Jong Wook and Li, Mike and
    Kornblith, Simon and Roelofs, Rebecca and Gontijo-Lopes, Raphael and Hajishirzi, Hannaneh and
    Farhadi, Ali and Namkoong, Hongseok and Schmidt, Ludwig},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year = {2022},
  eprint = {2109.01903},
  archiveprefix = {arXiv}
}"""

    search_space = {"alpha": (0.25, 1)}

    def __init__(self, *, alpha: float = 0.5) -> None:
        super().__init__()
        self.alpha = number("alpha", alpha, 0, 1)
        self.before: dict[str, Tensor] = {}

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.before = {}
        if strategy.experience.current_experience:
            backbone = _backbone(strategy.model)
            self.before = {name: value.detach().clone() for name, value in backbone.items()}

    @torch.no_grad()
    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        backbone = _backbone(strategy.model)
        for name, before in self.before.items():
            # not from `before` on: with alpha = 1 every bit stays as trained
            backbone[name].lerp_(before, 1 - self.alpha)
        self.before = {}


def _backbone(model: nn.Module) -> dict[str, Tensor]:
    """Weights and running statistics but for the output layer, by name."""
    head = head_parameters(model)
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        name: value
        for name, value in named.items()
        if name not in head and value.is_floating_point()
    }
