"""Learning without forgetting."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from avalanche.models import MultiTaskModule, avalanche_forward
from torch import Tensor, nn
from torch.nn import functional

from nanocl.records.ranges import number
from nanocl.strategies import Strategy


class LwF(Strategy):
    """Learning without forgetting: on the new inputs, answer for old classes as the model did before.

    The penalty is `strength` times the divergence of the softened answers of the model from those
    of its copy at the end of the last experience, over old classes only; with a head per task label
    it is summed over the old heads.

    Args:
        strength: At least 0 (lambda_o in the paper).
        temperature: Both scores are divided by it before the softmax; above 0.

    Source: Li and Hoiem, 2017, arXiv:1606.09282, equations 1 to 3. Departures: the Kullback-Leibler
        divergence instead of the cross-entropy, which has the same gradient and is 0 at agreement;
        no warm-up of the new head; for regression the mean squared difference.
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

    def __init__(self, *, strength: float = 1.0, temperature: float = 2.0) -> None:
        super().__init__()
        self.strength = number("strength", strength, 0)
        self.temperature = number("temperature", temperature, 0, above=True)
        self.classes: list[int] = []
        self.labels: list[int] = []
        self.teacher: nn.Module | None = None
        self.loaded: dict[str, Tensor] = {}
        self.handle: Any = None
        self.features: Tensor | None = None

    def before_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        if self.loaded:  # the run goes on from a checkpoint
            self.teacher = _frozen(strategy.model)
            self.teacher.load_state_dict(self.loaded)
            self.loaded = {}

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        if self.teacher is not None and _has_heads(strategy.model):
            self.handle = strategy.model.backbone.register_forward_hook(self._keep)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        if self.teacher is None or not self.strength:
            return
        distances = [
            self._distance(now, before, strategy.mb_y.is_floating_point())
            for now, before in self._answers(strategy)
        ]
        strategy.loss = strategy.loss + self.strength * torch.stack(distances).sum()

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        if self.handle is not None:
            self.handle.remove()
        self.handle = self.features = None
        self.teacher = _frozen(strategy.model)
        self.classes = sorted(
            {*self.classes, *getattr(strategy.experience, "classes_in_this_experience", ())}
        )
        self.labels = sorted({*self.labels, *getattr(strategy.experience, "task_labels", ())})

    def state_dict(self) -> dict[str, Any]:
        held = self.loaded if self.teacher is None else self.teacher.state_dict()
        return {
            **super().state_dict(),
            "loaded": {name: value.clone() for name, value in held.items()},
        }

    def _keep(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        if module.training:
            self.features = output

    def _answers(self, strategy: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Scores of the model and of its earlier copy on old classes; one pair a head."""
        if _has_heads(strategy.model):
            before = self.teacher.backbone(strategy.mb_x)
            for label in self.labels:
                own = self.teacher.groups[label]
                yield (
                    strategy.model.answer(self.features, label)[:, own],
                    self.teacher.answer(before, label)[:, own],
                )
            return
        if isinstance(strategy.model, MultiTaskModule) and not hasattr(strategy.model, "kind"):
            for label in self.labels:
                labels = torch.full_like(strategy.mb_task_id, label)
                before = self.teacher(strategy.mb_x, labels)
                yield strategy.model(strategy.mb_x, labels)[:, : before.shape[1]], before
            return
        columns = self.classes or slice(None)
        before = avalanche_forward(self.teacher, strategy.mb_x, strategy.mb_task_id)
        yield strategy.mb_output[:, columns], before[:, columns]

    def _distance(self, now: Tensor, before: Tensor, regression: bool) -> Tensor:
        if regression:
            return functional.mse_loss(now, before)
        return functional.kl_div(
            (now / self.temperature).log_softmax(1),
            (before / self.temperature).log_softmax(1),
            reduction="batchmean",
            log_target=True,
        )


def _has_heads(model: nn.Module) -> bool:
    """Whether the answer depends on the task label (see nanocl.training.heads.Network)."""
    return getattr(model, "kind", "") in ("own", "masked")


def _frozen(model: nn.Module) -> nn.Module:
    """A copy that does not learn."""
    copied = copy.deepcopy(model).eval().requires_grad_(False)
    copied.zero_grad(set_to_none=True)
    return copied
