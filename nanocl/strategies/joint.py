"""Joint training."""

from __future__ import annotations

from typing import Any, ClassVar

from avalanche.benchmarks.utils import AvalancheDataset

from nanocl.records.ranges import one_of
from nanocl.strategies import Strategy


class Joint(Strategy):
    """Train on the data of all experiences so far, as an upper bound without forgetting.

    Args:
        when: `each`: train at every experience, starting from the weights after the previous one.
            `end`: train at the last experience of the stream only. The model is untrained before,
            so only the last row of the evaluation matrix is meaningful.

    Source: the usual upper bound. `end` is "joint" in van de Ven, Tuytelaars and Tolias, 2022,
        doi:10.1038/s42256-022-00568-3; `each` is "cummulative" in their code.
    """

    citation: ClassVar[str] = """@article{vandeven2022three,
  title = {Three types of incremental learning},
  author = {van de Ven, Gido M. and Tuytelaars, Tinne and Tolias, Andreas S.},
  journal = {Nature Machine Intelligence},
  volume = {4},
  pages = {1185--1197},
  year = {2022},
  doi = {10.1038/s42256-022-00568-3}
}"""

    def __init__(self, *, when: str = "each") -> None:
        super().__init__()
        self.when = one_of("when", when, ("each", "end"))
        self.met: list[int] = []

    def after_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        stream = strategy.experience.origin_stream
        if strategy.experience.current_experience not in self.met:
            self.met.append(strategy.experience.current_experience)
        if len(self.met) > 1:
            met = [stream[i].dataset.train() for i in self.met]
            strategy.adapted_dataset = AvalancheDataset(met)

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        if self.when == "end" and len(self.met) < len(strategy.experience.origin_stream):
            strategy.stop_training()
