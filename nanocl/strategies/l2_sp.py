"""L2-SP: an anchor to the starting point."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.optim.groups import head_parameters
from nanocl.records.ranges import number
from nanocl.strategies import Strategy
from nanocl.strategies._penalty import HalfSquare, fit, snapshot


class L2SP(Strategy):
    """Penalise the distance from the weights at the start of the stream, all alike.

    The penalty is `strength / 2 * ||w - w_0||^2` over the backbone. It knows nothing of the data:
    what a method with importances gains must be measured against it.

    Args:
        strength: At least 0 (alpha in the paper).

    Source: Li, Grandvalet and Davoine, 2018, arXiv:1802.01483, equation 2. Departure: no decay of
        the output layer (beta is 0); the optimizer's own weight decay covers it.
    """

    citation: ClassVar[str] = """@inproceedings{li2018explicit,
  title = {Explicit Inductive Bias for Transfer Learning with Convolutional Networks},
  author = {Li, Xuhong and Grandvalet, Yves and Davoine, Franck},
  booktitle = {Proceedings of the 35th International Conference on Machine Learning},
  year = {2018},
  eprint = {1802.01483},
  archiveprefix = {arXiv}
}"""

    search_space = {"strength": (0.001, 1)}

    def __init__(self, *, strength: float = 0.01) -> None:
        super().__init__()
        self.strength = number("strength", strength, 0)
        self.anchor: dict[str, Tensor] = {}
        self.weights: dict[str, Tensor] = {}  # the importance of every entry: 1
        self.penalty = HalfSquare()

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        model = strategy.model
        if self.anchor:
            self.anchor = fit(self.anchor, model)
        else:
            head = head_parameters(model)
            self.anchor = {n: value for n, value in snapshot(model).items() if n not in head}
        self.weights = {name: torch.ones_like(value) for name, value in self.anchor.items()}

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if self.strength:
            values = self.weights, self.anchor, self.strength
            strategy.loss = self.penalty(strategy.loss, strategy.model, *values)
