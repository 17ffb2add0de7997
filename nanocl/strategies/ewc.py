"""Elastic weight consolidation."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy
from nanocl.strategies._fisher import KINDS, estimate
from nanocl.strategies._penalty import fit, half_square, snapshot, zeros


class EWC(Strategy):
    """Elastic weight consolidation: a quadratic pull towards the weights after each experience, by their Fisher.

    The penalty is `strength / 2 * sum over past experiences of F (w - w*)^2`. The pairs (F, w*) are
    not kept apart: a sum of quadratics is one quadratic, so that time and memory do not grow with
    the number of experiences.

    Args:
        strength: At least 0. Good values range over ten decades (1 to 1e10) with model, data and
            `fisher`.
        fisher: `exact`: the expectation over the model's own labels. `sampled`: one label a sample
            drawn from the model. `empirical`: the true labels. `batched`: squares of mini-batch
            means over all data, as Avalanche's EWCPlugin has them, smaller by about the mini-batch
            size. Avalanche has no factor 1/2 either: its `ewc_lambda` is half of our strength.
        samples: Samples that the Fisher is measured on after each experience, chosen at random; 0
            for all.

    Source: Kirkpatrick et al., 2017, arXiv:1612.00796, equation 3, with the Fisher as van de Ven,
        2025, arXiv:2502.11756 recommends. Departures: the Fisher may come from a subset of the
        data.
    """

    citation: ClassVar[str] = """@article{kirkpatrick2017overcoming,
  title = {Overcoming catastrophic forgetting in neural networks},
  author = {Kirkpatrick, James and Pascanu, Razvan and Rabinowitz, Neil and Veness, Joel and Desjardins, Guillaume and
    Rusu, Andrei A. and Milan, Kieran and Quan, John and Ramalho, Tiago and Grabska-Barwinska, Agnieszka and
    Hassabis, Demis and Clopath, Claudia and Kumaran, Dharshan and Hadsell, Raia},
  journal = {Proceedings of the National Academy of Sciences},
  volume = {114},
  number = {13},
  pages = {3521--3526},
  year = {2017},
  eprint = {1612.00796},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self, *, strength: float = 1000.0, fisher: str = "exact", samples: int = 500
    ) -> None:
        super().__init__()
        self.strength = number("strength", strength, 0)
        self.fisher = one_of("fisher", fisher, KINDS)
        self.samples = number("samples", samples, 0)
        self.experiences = 0
        self.importance: dict[str, Tensor] = {}
        self.centre: dict[str, Tensor] = {}
        self.floor = 0.0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.importance, self.centre = (
            fit(self.importance, strategy.model),
            fit(self.centre, strategy.model),
        )

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if self.importance and self.strength:
            penalty = half_square(strategy.model, self.importance, self.centre) + self.floor
            strategy.loss = strategy.loss + self.strength * penalty

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.experiences += 1
        new = estimate(strategy, self.fisher, self.samples, self.experiences)
        weights = snapshot(strategy.model)
        before, centre = {**zeros(strategy.model), **self.importance}, {**weights, **self.centre}
        self.importance = {name: before[name] + new[name] for name in new}
        for name, both in self.importance.items():
            # A (w - a)^2 + F (w - b)^2 = (A + F)(w - c)^2 + AF / (A + F) (a - b)^2 with c between a
            # and b
            share = (new[name] / both).nan_to_num_(0.0)
            gap = weights[name] - centre[name]
            self.floor += 0.5 * (before[name] * share * gap.square()).sum().item()
            self.centre[name] = centre[name] + share * gap
