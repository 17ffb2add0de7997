"""Elastic weight consolidation."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from nanocl.records.ranges import at_least, number, one_of
from nanocl.strategies import Strategy
from nanocl.strategies._fisher import KINDS, estimate
from nanocl.strategies._penalty import HalfSquare, fit, snapshot, zeros


class EWC(Strategy):
    """Elastic weight consolidation: penalise changes of weights with a large Fisher information.

    The penalty is `strength / 2 * sum over past experiences of F (w - w*)^2`. The sum of quadratics
    is stored as one quadratic, so that time and memory do not grow with the number of experiences.

    Args:
        strength: At least 0. Good values range over ten decades (1 to 1e10), depending on model,
            data and `fisher`.
        fisher: `exact`: the expectation over the model's own labels. `sampled`: one label a sample
            drawn from the model. `empirical`: the true labels. `batched`: squares of mini-batch
            means over all data, as in Avalanche's EWCPlugin, smaller by about the mini-batch size.
            Avalanche's penalty has no factor 1/2: its `ewc_lambda` is half of our strength.
        samples: Random samples for the Fisher after each experience; 0 for all.

    Source: Kirkpatrick et al., 2017, arXiv:1612.00796, equation 3, with the Fisher as van de Ven,
        2025, arXiv:2502.11756 recommends. Departure: the Fisher may be estimated on a subset of the
        data.
    """

    citation: ClassVar[str] = """@article{kirkpatrick2017overcoming,
  title = {Overcoming catastrophic forgetting in neural networks},
  author = {Kirkpatrick, James and Pascanu, Razvan and Rabinowitz, Neil and Veness, Joel and
    Desjardins, Guillaume and Rusu, Andrei A. and Milan, Kieran and Quan, John and Ramalho, Tiago
    and Grabska-Barwinska, Agnieszka and Hassabis, Demis and Clopath, Claudia and Kumaran, Dharshan
    and Hadsell, Raia},
  journal = {Proceedings of the National Academy of Sciences},
  volume = {114},
  number = {13},
  pages = {3521--3526},
  year = {2017},
  eprint = {1612.00796},
  archiveprefix = {arXiv}
}"""

    search_space = {"strength": (10, 10000)}

    def __init__(
        self,
        *,
        strength: float = 1000.0,
        fisher: str = "exact",
        samples: int = 500,
    ) -> None:
        super().__init__()
        self.strength = number("strength", strength, 0)
        self.fisher = one_of("fisher", fisher, KINDS)
        self.samples = at_least("samples", samples, 0)
        self.experiences = 0
        self.importance: dict[str, Tensor] = {}
        self.centre: dict[str, Tensor] = {}
        self.penalty = HalfSquare()
        self.floor = 0.0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.importance = fit(self.importance, strategy.model)
        self.centre = fit(self.centre, strategy.model)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if self.importance and self.strength:
            # equation 3: L + strength / 2 sum F (w - w*)^2
            values = self.importance, self.centre, self.strength, self.strength * self.floor
            strategy.loss = self.penalty(strategy.loss, strategy.model, *values)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.experiences += 1
        new = estimate(strategy, self.fisher, self.samples, self.experiences)
        weights = snapshot(strategy.model)
        before = {**zeros(strategy.model), **self.importance}
        centre = {**weights, **self.centre}
        self.importance = {name: before[name] + new[name] for name in new}
        # A (w - a)^2 + F (w - b)^2 = (A + F) (w - c)^2 + A F / (A + F) (b - a)^2
        # with c = a + F / (A + F) (b - a); A, a: before, F, b: of this experience
        for name, both in self.importance.items():
            share = (new[name] / both).nan_to_num_(0.0)
            gap = weights[name] - centre[name]
            self.floor += 0.5 * (before[name] * share * gap.square()).sum().item()
            self.centre[name] = centre[name] + share * gap
