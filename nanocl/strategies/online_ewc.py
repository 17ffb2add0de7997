"""Online elastic weight consolidation."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from nanocl.records.ranges import at_least, number, one_of
from nanocl.strategies import Strategy
from nanocl.strategies._fisher import KINDS, estimate
from nanocl.strategies._penalty import HalfSquare, fit, snapshot


class OnlineEWC(Strategy):
    """Online EWC: one decaying Fisher, and a penalty around the weights of the last experience.

    After each experience `F <- decay * F + F_new` and `w* <- w`; the penalty is
    `strength / 2 * F (w - w*)^2`.

    Args:
        strength: At least 0.
        decay: Factor of the running Fisher at each experience (gamma in the papers), in [0, 1].
        fisher: `exact`, `sampled`, `empirical` or `batched`; see `ewc`.
        samples: Random samples for the Fisher after each experience; 0 for all.

    Source: Schwarz et al., 2018, arXiv:1805.06370, section 3.2, and Huszar, 2018, arXiv:1712.03847
        for the single anchor. Departures: the decay is applied when the new Fisher is added, not
        again in the penalty; the Fisher is not normalised.
    """

    citation: ClassVar[str] = """@inproceedings{schwarz2018progress,
  title = {Progress \\& Compress: A scalable framework for continual learning},
  author = {Schwarz, Jonathan and Luketina, Jelena and Czarnecki, Wojciech M. and Grabska-Barwinska,
    Agnieszka and Teh, Yee Whye and Pascanu, Razvan and Hadsell, Raia},
  booktitle = {Proceedings of the 35th International Conference on Machine Learning},
  year = {2018},
  eprint = {1805.06370},
  archiveprefix = {arXiv}
}"""

    search_space = {"strength": (10, 10000)}

    def __init__(
        self,
        *,
        strength: float = 1000.0,
        decay: float = 1.0,
        fisher: str = "exact",
        samples: int = 500,
    ) -> None:
        super().__init__()
        self.strength = number("strength", strength, 0)
        self.decay = number("decay", decay, 0, 1)
        self.fisher = one_of("fisher", fisher, KINDS)
        self.samples = at_least("samples", samples, 0)
        self.experiences = 0
        self.importance: dict[str, Tensor] = {}
        self.anchor: dict[str, Tensor] = {}
        self.penalty = HalfSquare()

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.importance = fit(self.importance, strategy.model)
        self.anchor = fit(self.anchor, strategy.model)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if self.importance and self.strength:
            # L + strength / 2 F (w - w*)^2
            values = self.importance, self.anchor, self.strength
            strategy.loss = self.penalty(strategy.loss, strategy.model, *values)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.experiences += 1
        new = estimate(strategy, self.fisher, self.samples, self.experiences)
        # F <- decay F + F_new
        self.importance = {
            name: value + self.decay * self.importance[name] if name in self.importance else value
            for name, value in new.items()
        }
        self.anchor = snapshot(strategy.model)
