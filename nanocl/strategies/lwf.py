"""Learning without forgetting."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

import torch
from avalanche.models import MultiTaskModule, avalanche_forward
from torch import Tensor, nn
from torch.nn import functional

from nanocl.data.transfer import moved
from nanocl.plugins.state import INNER
from nanocl.records.ranges import number, one_of
from nanocl.strategies import Strategy

OUTPUTS = ("active", "old")
TEACHER = f"teacher{INNER}"  # kept as `loaded` until there is a model to load it into
EVERY = slice(None)
Columns = Tensor | slice


class LwF(Strategy):
    """Learning without forgetting: keep the old model's predictions for old classes on new inputs.

    The penalty is `strength` times the divergence between the softened predictions of the model and
    of its copy from the end of the previous experience. With a head for each task label it is
    summed over the old heads.

    Args:
        strength: At least 0 (lambda_o in the paper).
        temperature: Above 0; the scores of both models are divided by it before the softmax.
        outputs: Over which classes of one output layer the softmax goes (class-incremental).
            `active`: over all that compete; a class that was not active in the copy has its
            probability 0, so that new classes must not take over old predictions. `old`: over
            classes of earlier experiences only, which leaves the scores of new classes free.

    Source: Li and Hoiem, 2017, arXiv:1606.09282, equations 1 to 3; for one output layer the code of
        van de Ven, Tuytelaars and Tolias, 2022, doi:10.1038/s42256-022-00568-3, whose loss for LwF
        is the sum of both terms, not multiplied by the squared temperature. Departures: the
        Kullback-Leibler divergence instead of the cross-entropy, which has the same gradient and is
        0 at agreement; no warm-up of the new head; for regression the mean squared difference.
    """

    citation: ClassVar[str] = """@article{li2017learning,
  title = {Learning without Forgetting},
  author = {Li, Zhizhong and Hoiem, Derek},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  volume = {40},
  number = {12},
  pages = {2935--2947},
  year = {2017},
  eprint = {1606.09282},
  archiveprefix = {arXiv}
}"""

    version = 2  # with one output layer over all active outputs since 2
    search_space = {"strength": (0.1, 100)}

    def __init__(
        self, *, strength: float = 1.0, temperature: float = 2.0, outputs: str = "active"
    ) -> None:
        super().__init__()
        self.outputs = one_of("outputs", outputs, OUTPUTS)
        self.strength = number("strength", strength, 0)
        self.temperature = number("temperature", temperature, 0, above=True)
        self.classes: dict[int, list[int]] = {}  # of each task label met so far
        self.teacher: nn.Module | None = None
        self.loaded: dict[str, Tensor] = {}
        self.features: Tensor | None = None

    def before_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        if self.loaded:  # the run resumes from a checkpoint
            self.teacher = _frozen(strategy.model)
            self.teacher.load_state_dict(self.loaded)
            self.loaded = {}

    def before_forward(self, strategy: Any, **kwargs: Any) -> None:
        if self.teacher is not None and _has_heads(strategy.model):
            # the features of a mini-batch serve all old heads: one forward pass of the backbone
            strategy.model.watch = self._keep

    def after_forward(self, strategy: Any, **kwargs: Any) -> None:
        # forward passes of other strategies, such as on replayed samples, are not the mini-batch's
        if getattr(strategy.model, "watch", None) is not None:
            strategy.model.watch = None

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if self.teacher is None or not self.strength:
            return
        distances = [
            self._distance(*answer, strategy.mb_y.is_floating_point())
            for answer in self._answers(strategy, self.teacher)
        ]
        # the paper's objective L_new + lambda_o L_old, with L_old summed over the old heads
        strategy.loss = strategy.loss + self.strength * torch.stack(distances).sum()

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.features = None
        self.teacher = _frozen(strategy.model)
        new = getattr(strategy.experience, "classes_in_this_experience", None) or ()
        for label in getattr(strategy.experience, "task_labels", ()):
            self.classes[label] = sorted({*self.classes.get(label, ()), *new})

    def state_dict(self) -> dict[str, Any]:
        weights = self.loaded if self.teacher is None else self.teacher.state_dict()
        copies = {name: value.clone() for name, value in weights.items()}
        own = {name: value for name, value in super().state_dict().items() if name != TEACHER}
        return {**own, "loaded": copies}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if self.teacher is not None and self.loaded:  # within an experience
            self.teacher.load_state_dict(self.loaded)
            self.loaded = {}

    def _keep(self, features: Tensor) -> None:
        self.features = features

    def _answers(self, strategy: Any, teacher: Any) -> Iterator[tuple[Tensor, Tensor, Columns]]:
        """Scores of the model and of its earlier copy, one entry a head.

        The third value are the columns of the model's scores that those of the copy belong to.
        """
        if _has_heads(strategy.model):
            before = teacher.features(strategy.mb_x)
            for label in sorted(self.classes):
                own = teacher.columns_of(label)
                yield (
                    strategy.model.answer(self.features, label)[:, own],
                    teacher.answer(before, label)[:, own],
                    EVERY,
                )
            return
        # a model of Avalanche with several heads
        if isinstance(strategy.model, MultiTaskModule) and not hasattr(strategy.model, "kind"):
            for label, classes in sorted(self.classes.items()):
                # not a tensor of labels, with which the scores of a head get zeros as more classes
                now = strategy.model(strategy.mb_x, label)
                yield now[:, classes], teacher(strategy.mb_x, label)[:, classes], EVERY
            return
        before = avalanche_forward(teacher, strategy.mb_x, strategy.mb_task_id)
        scores: Tensor = strategy.mb_output
        old = sorted(set(chain.from_iterable(self.classes.values())))
        if self.outputs == "old" and old:
            # a list as index would be copied to a GPU with a wait
            columns = moved(torch.tensor(old), scores.device)
            yield scores[:, columns], before[:, columns], EVERY
        else:
            # of a layer that has grown since, the copy gives new classes no probability
            yield scores, before, slice(before.shape[1])

    def _distance(self, now: Tensor, before: Tensor, columns: Columns, regression: bool) -> Tensor:
        if regression:
            return functional.mse_loss(now, before)
        # equations 2 and 3: -sum y'_o log y'^_o with y' = softmax(scores / T), minus the entropy of
        # y'_o, which does not depend on the model
        return functional.kl_div(
            (now / self.temperature).log_softmax(1)[:, columns],
            (before / self.temperature).log_softmax(1),
            reduction="batchmean",
            log_target=True,
        )


def _has_heads(model: nn.Module) -> bool:
    """Whether the output depends on the task label (see nanocl.training.heads.Network)."""
    return getattr(model, "kind", "") in ("own", "masked")


def _frozen(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode, without gradients."""
    copied = copy.deepcopy(model).eval().requires_grad_(False)
    copied.zero_grad(set_to_none=True)
    return copied
