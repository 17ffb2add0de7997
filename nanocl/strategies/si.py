"""Synaptic intelligence."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.records.ranges import number
from nanocl.strategies import Strategy
from nanocl.strategies._path import PathSteps
from nanocl.strategies._penalty import HalfSquare, fit, snapshot, zeros


class SI(Strategy):
    """Synaptic intelligence: penalise changes of the weights that reduced the loss.

    Each training step adds `-gradient * (change of the weight)` to the weight's path integral, with
    the gradient before the step and the change that the optimizer made. After the experience
    `omega <- max(0, omega + path / (total change^2 + xi))`. The penalty is
    `strength * omega (w - w*)^2`.

    Args:
        strength: At least 0 (c in the paper).
        xi: Damping, above 0; bounds the importance of weights that hardly moved.

    Source: Zenke, Poole and Ganguli, 2017, arXiv:1703.04200, equations 3 to 5. As in the authors'
        code, the gradient excludes this penalty and omega is at least 0. Departure: the gradient
        includes the penalties of other strategies in a composition.
    """

    citation: ClassVar[str] = """@inproceedings{zenke2017continual,
  title = {Continual Learning Through Synaptic Intelligence},
  author = {Zenke, Friedemann and Poole, Ben and Ganguli, Surya},
  booktitle = {Proceedings of the 34th International Conference on Machine Learning},
  year = {2017},
  eprint = {1703.04200},
  archiveprefix = {arXiv}
}"""

    search_space = {"strength": (0.1, 100)}

    def __init__(self, *, strength: float = 10.0, xi: float = 0.1) -> None:
        super().__init__()
        self.strength = number("strength", strength, 0)
        self.xi = number("xi", xi, 0, above=True)
        self.omega: dict[str, Tensor] = {}
        self.anchor: dict[str, Tensor] = {}
        self.path: dict[str, Tensor] = {}
        self.gradient: dict[str, Tensor] = {}
        self.weight: dict[str, Tensor] = {}
        self.updated: list[str] = []
        self.penalty = HalfSquare()
        self.steps = PathSteps()

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.steps.begin()
        self.anchor = snapshot(strategy.model)
        self.path = zeros(strategy.model)
        self.gradient = zeros(strategy.model)
        self.weight = zeros(strategy.model)
        if self.omega:
            # zeros for layers that were added since
            self.omega = {**zeros(strategy.model), **fit(self.omega, strategy.model)}

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if self.omega and self.strength:
            # equation 4: L + c sum omega (w - w*)^2
            values = self.omega, self.anchor, 2 * self.strength
            strategy.loss = self.penalty(strategy.loss, strategy.model, *values)

    def before_update(self, strategy: Any, **kwargs: Any) -> None:
        self.updated, gradients, weights = [], [], []
        for name, parameter in self.steps.named(strategy.model).items():
            if parameter.grad is not None and name in self.path:
                self.updated.append(name)
                gradients.append(parameter.grad)
                weights.append(parameter.detach())
        # copies, because an optimizer may overwrite the gradient and changes weights in place
        copies = self._of(self.gradient), self._of(self.weight)
        if self.omega and self.strength:
            # without the gradient of this penalty, 2 c omega (w - w*)
            penalty = self._of(self.anchor), self._of(self.omega)
            self.steps.own_gradients((gradients, weights), penalty, copies, -2 * self.strength)
        else:
            torch._foreach_copy_(copies[0], gradients)
            torch._foreach_copy_(copies[1], weights)

    def after_update(self, strategy: Any, **kwargs: Any) -> None:
        named = self.steps.named(strategy.model)
        after = [named[name].detach() for name in self.updated]
        path = self._of(self.path)
        self.steps.add_to_path(after, self._of(self.weight), self._of(self.gradient), path)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        for name, weight in snapshot(strategy.model).items():
            # equation 5: omega += path / ((w - w*)^2 + xi)
            distance = (weight - self.anchor[name]).square()
            gained = self.path[name] / (distance + self.xi)
            omega = self.omega.get(name, 0.0) + gained
            self.omega[name] = omega.clamp_(min=0.0)
        self.path = {}
        self.gradient = {}
        self.weight = {}
        self.updated = []

    def _of(self, values: dict[str, Tensor]) -> list[Tensor]:
        return [values[name] for name in self.updated]
