"""Gradient against magnitude of the weights of each layer while a learner trains.

A run with the probe has the same numbers, bit for bit, as one without. Its JSON is stored beside
the records.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from nanocl.records import RunSpec, probes
from nanocl.training.drift import change_by_magnitude

FEWEST = 1000  # entries of a layer: the top 0.01 % of fewer is not a set
DENSITIES = (0.001, 0.01, 0.1)
# the shares behind r
TOP_GRADIENTS = 1e-4
LOW_GRADIENTS = 0.8


class MagnitudeProbe(SupervisedPlugin):
    """Looks at every weight matrix of the backbone at steps 0, 10, 100, ... of each experience.

    Attributes:
        looks: One entry for each look, in order: experience, step and layers.
        changes: One entry for each trained experience: the mean absolute change in each tenth of a
            layer by magnitude.
    """

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self._start: dict[str, Tensor] = {}
        self._step = 0
        self._next = 0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self._start = {name: weight.detach().clone() for name, weight in _matrices(strategy.model)}
        self._step = 0
        self._next = 0

    def before_update(self, strategy: Any, **kwargs: Any) -> None:
        if self._step == self._next:
            self._next = max(10, 10 * self._next)
            experience = strategy.experience.current_experience
            layers = {
                name: look(weight.detach(), weight.grad.detach())
                for name, weight in _matrices(strategy.model)
                if weight.grad is not None
            }
            self.looks.append(
                {
                    "experience": experience,
                    "step": self._step,
                    "layers": layers,
                }
            )
        self._step += 1

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        if self._step:
            experience = strategy.experience.current_experience
            layers = {
                name: self._change(name, weight)
                for name, weight in _matrices(strategy.model)
                if name in self._start
            }
            self.changes.append(
                {
                    "experience": experience,
                    "steps": self._step,
                    "layers": layers,
                }
            )
        self._start = {}

    def _change(self, name: str, weight: Tensor) -> list[float | None]:
        start = self._start[name].flatten().cpu()
        now = weight.detach().flatten().cpu()
        return [_short(value) for value in change_by_magnitude(start, now)]

    def save(self, folder: Path, spec: RunSpec) -> Path:
        """Write the measurements into the folder of probes."""
        return probes.write(spec, self.looks, self.changes, folder)


def look(weight: Tensor, gradient: Tensor) -> dict[str, Any]:
    """One layer at one step.

    Returns:
        entries: Their number.
        magnitude, gradient: Medians of |w| and |g| in each tenth of the entries by |w|, smallest
            first.
        steep: The 99th percentile of |g| in each tenth.
        overlap: For each density d, the share of the top d of |g| in the bottom d of |w|; d if they
            are independent.
        low: The share of the top 1 % of |g| in the bottom 10 % of |w|.
        ratio: r, the median |w| at the top 0.01 % of |g| over the largest |w| at the bottom 80 % of
            |g|.

    Source: Zhou, Jacobs, Gadhikar and Burkholz, 2025, arXiv:2506.21374, Table 1 (the quotient
        itself is not printed).
    """
    w = weight.flatten().abs().double().cpu()
    g = gradient.flatten().abs().double().cpu()
    smallest = w.argsort(stable=True)
    steepest = g.argsort(descending=True, stable=True)
    tenths = smallest.tensor_split(10)
    # overlap at d: |top_d(|g|) ∩ bottom_d(|w|)| / |top_d(|g|)|
    overlap = {
        f"{density:g}": _short(_share(_first(steepest, density), _first(smallest, density)))
        for density in DENSITIES
    }
    return {
        "entries": len(w),
        "magnitude": [_short(w[part].median()) for part in tenths],
        "gradient": [_short(g[part].median()) for part in tenths],
        "steep": [_short(g[part].quantile(0.99)) if len(part) < 2**24 else None for part in tenths],
        "overlap": overlap,
        "low": _short(_share(_first(steepest, 0.01), _first(smallest, 0.1))),
        "ratio": _ratio(w, steepest),
    }


def _ratio(w: Tensor, steepest: Tensor) -> float | None:
    """r of Table 1: small if the largest gradients fall on small weights."""
    # r = median |w| over the top 0.01 % of |g|, over max |w| in the bottom 80 % of |g|
    top = _first(steepest, TOP_GRADIENTS)
    low = steepest[len(w) - int(LOW_GRADIENTS * len(w)) :]
    largest = w[low].max()
    if largest > 0:
        return _short(w[top].median() / largest)
    return None


def _matrices(model: Any) -> list[tuple[str, Tensor]]:
    """The backbone's weights of at least two dimensions that are trained and large enough."""
    head = model.head_parameters()
    return [
        (name, p)
        for name, p in model.named_parameters()
        if p.requires_grad and p.ndim > 1 and p.numel() >= FEWEST and name not in head
    ]


def _first(order: Tensor, share: float) -> Tensor:
    return order[: max(1, math.ceil(share * len(order)))]


def _share(of: Tensor, within: Tensor) -> float:
    return float(torch.isin(of, within).double().mean())


def _short(value: float | Tensor) -> float | None:
    number = float(f"{float(value):.4g}")
    return number if math.isfinite(number) else None
