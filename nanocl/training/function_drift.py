"""How far the function of the model moved: features of earlier data, outputs on new data."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor
from torch.nn import functional

PROBED = 256  # test samples of an experience, the first ones
DIGITS = 6  # that are kept of a value


class FunctionMeter(SupervisedPlugin):
    """Compares features and outputs with those of earlier, on the first test samples.

    It reads the features while experiences are tested. Before an experience that the last test left
    out it adds a test of `PROBED` samples.

    - `representation`, after experience i: mean over the tested experiences j < i of 1 - CKA
      between the features of the samples of j right after training on j and now. Linear CKA is
      `||X^T Y||_F^2 / (||X^T X||_F ||Y^T Y||_F)` of features with their means taken off. It is
      undefined where all samples have the same features, as those of a dead network.
    - `kl`, of experience i: forward Kullback-Leibler divergence in nats, from the outputs before
      training on it to those after, on its samples: mean over samples, and over the heads of
      earlier task labels if each has its own. Classes that were closed before are left out.

    Source: Kornblith et al., 2019, arXiv:1905.00414, equation 5 (linear CKA); Shenfeld, Pari and
        Agrawal, 2025, arXiv:2509.04259 (KL on the new task).

    Attributes:
        references: Of each experience trained so far, the Gram matrix of its centred features.
    """

    def __init__(self) -> None:
        self.references: dict[int, Tensor] = {}
        self._features: dict[int, list[Tensor]] = {}  # of each mini-batch
        self._start: list[Tensor] = []
        self._tests: Sequence[Any] = ()

    def begin(self, tests: Sequence[Any]) -> FunctionMeter:
        """Use these test experiences."""
        self._tests = tests
        return self

    def state_dict(self) -> dict[str, Any]:
        """What later experiences are compared with."""
        return {"references": self.references}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.references = dict(state["references"])

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        self._features = {}

    def before_eval_forward(self, strategy: Any, **kwargs: Any) -> None:
        parts = self._features.setdefault(strategy.experience.current_experience, [])
        if sum(map(len, parts)) < PROBED:
            strategy.model.watch = self._keep

    def after_eval_forward(self, strategy: Any, **kwargs: Any) -> None:
        if strategy.model.watch is not None:
            strategy.model.watch = None
            self._features[strategy.experience.current_experience].append(self._watched)

    def before(self, learner: Any, number: int, is_trained: bool) -> None:
        """Look at the outputs on the samples of an experience that comes next.

        If the weights were trained on it before the run, they will not change: its features are
        those of now.
        """
        self._start = []
        has_outputs = number and not isinstance(learner._criterion, torch.nn.MSELoss)
        if is_trained:  # a test of its own: in other mini-batches, bfloat16 rounds otherwise
            self._features = {}
        if is_trained or has_outputs:
            self._look(learner, number)
        if not is_trained:
            if has_outputs:
                self._open = ~learner.model.closed
                self._start = self._outputs(learner.model, number)
            self._features = {}

    @torch.no_grad()
    def after(self, learner: Any, number: int) -> dict[str, float | None]:
        """The entry of an experience that was trained and tested, None for what was not tested."""
        grams = {j: _gram(self._probed(j)) for j in self._features if j <= number}
        moved = [
            # rounded, it may fall below; in this order NaN remains
            max(1 - float((self.references[j] * gram).sum()), 0.0)
            for j, gram in grams.items()
            if j in self.references
        ]
        entry = {
            "kl": self._divergence(learner.model, number) if number in grams else None,
            "representation": _mean(moved),
        }
        if number in grams:
            self.references[number] = grams[number]
        return {name: _rounded(value) for name, value in entry.items()}

    def _look(self, learner: Any, number: int) -> None:
        """Keep the features of this experience, which the last test read or a test now reads."""
        if number not in self._features:  # else the weights are those of that test
            learner.eval([_first(self._tests[number])])
        self._features = {number: self._features[number]}

    def _probed(self, number: int) -> Tensor:
        """The features of the first samples of an experience."""
        return torch.cat(self._features[number])[:PROBED]

    def _keep(self, features: Tensor) -> None:
        self._watched = features[:PROBED].detach()

    def _divergence(self, model: Any, number: int) -> float | None:
        if not self._start:
            return None
        pairs = zip(self._start, self._outputs(model, number), strict=True)
        divergences = [
            functional.kl_div(now, before, reduction="batchmean", log_target=True)
            for before, now in pairs
        ]
        return max(float(torch.stack(divergences).mean()), 0.0)

    def _outputs(self, model: Any, number: int) -> list[Tensor]:
        """Log-probabilities of the samples; those of each earlier head if there are several."""
        features = self._probed(number)
        with torch.no_grad():
            if model.kind not in ("own", "masked"):
                columns = self._open if model.kind == "seen" else slice(None)
                return [model.answer(features)[:, columns].double().log_softmax(1)]
            labels = sorted({test.task_label for test in self._tests[:number]})
            return [
                model.answer(features, label)[:, model.columns_of(label)].double().log_softmax(1)
                for label in labels
            ]


def _first(experience: Any) -> Any:
    part = copy.copy(experience)
    part._dataset = experience.dataset.subset(range(min(PROBED, len(experience.dataset))))
    return part


def _gram(features: Tensor) -> Tensor:
    """X X^T of the centred features, divided by its norm; the sum of a product of two is CKA.

    NaN if all samples have the same features: CKA is 0 / 0 then.
    """
    features = features.flatten(1).double()
    features = features - features.mean(0)
    gram = features @ features.t()
    return gram / gram.norm()


def _rounded(value: float | None) -> float | None:
    """Undefined if it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
