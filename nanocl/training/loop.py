"""The loop on Avalanche's template, with whole mini-batches from tensors, from a scenario to an evaluation matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from avalanche.models.dynamic_optimizers import update_optimizer
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor, nn

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.records import Drift, Training
from nanocl.training.drift import DriftMeter
from nanocl.training.heads import Network
from nanocl.training.measure import Meter
from nanocl.training.normalisation import RunningStatistics
from nanocl.training.observers import Diverged, Scores, Ticker


class Learner(SupervisedTemplate):
    """Model, optimizer and strategies, ready to train: Avalanche's template with a faster data path.

    All of Avalanche's hooks and plugins work. Where the data is in tensors, mini-batches are read
    whole; a data set that a plugin replaced by something else takes Avalanche's own loaders.

    Attributes:
        training: Epochs or iterations, mini-batch sizes, what happens to the optimizer's state.
        seed: Source of the data order, which is the same for every strategy.
    """

    def __init__(
        self,
        *,
        model: Network,
        optimizer: torch.optim.Optimizer,
        strategies: Sequence[SupervisedPlugin],
        training: Training,
        seed: int,
        measure: str = "accuracy",
        device: str = "cpu",
    ) -> None:
        super().__init__(
            model=model,
            optimizer=optimizer,
            plugins=[*strategies],
            device=device,
            criterion=nn.CrossEntropyLoss() if measure == "accuracy" else nn.MSELoss(),
            train_mb_size=training.batch_size,
            train_epochs=1 if training.iterations else training.epochs,
            eval_mb_size=training.evaluation_batch_size,
            evaluator=EvaluationPlugin(),
        )
        self.training, self.seed, self.strategies = training, seed, list(strategies)
        self.statistics: RunningStatistics | None = None

    def check_model_and_optimizer(self, **kwargs: Any) -> None:
        """Open the model to the experience; keep or reset the optimizer's state as the protocol says."""
        super().check_model_and_optimizer(
            reset_optimizer_state=self.training.optimizer_state == "reset", **kwargs
        )

    def make_optimizer(self, **kwargs: Any) -> None:
        """Keep the optimizer's groups: parameters that the strategy left out of them stay out.

        Avalanche's own first call adds every parameter of the model; parameters that come later are
        still added.
        """
        named = dict(self.model.named_parameters())
        if self.optimized_param_id is None:
            held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
            self._left_out = {name for name, p in named.items() if id(p) not in held}
        self.optimized_param_id = update_optimizer(
            self.optimizer,
            {name: p for name, p in named.items() if name not in self._left_out},
            self.optimized_param_id,
            reset_state=kwargs.get("reset_optimizer_state", False),
        )

    def keep_statistics(self) -> None:
        """Let each task label be tested with the running statistics that it was trained with."""
        self.statistics = RunningStatistics(self.model)

    def _before_training_exp(self, **kwargs: Any) -> None:
        if self.statistics:
            self.statistics.put(self.experience.task_label)
        super()._before_training_exp(**kwargs)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        if self.statistics:
            self.statistics.keep(self.experience.task_label)

    def _before_eval_exp(self, **kwargs: Any) -> None:
        if self.statistics:
            self.statistics.lend(self.experience.task_label)
        super()._before_eval_exp(**kwargs)

    def _after_eval_exp(self, **kwargs: Any) -> None:
        super()._after_eval_exp(**kwargs)
        if self.statistics:
            self.statistics.take_back()

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """Shuffled mini-batches; the order depends on seed and experience only."""
        parts = tensor_parts(self.adapted_dataset)
        if parts is None:
            super().make_train_dataloader(**kwargs)
            return
        order = torch.Generator().manual_seed(
            self.seed * 1_000_003 + self.experience.current_experience
        )
        self.dataloader = MiniBatches(
            parts, self.train_mb_size, generator=order, iterations=self.training.iterations
        )

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        """Mini-batches in order, without augmentation."""
        parts = tensor_parts(self.adapted_dataset)
        if parts is None:
            super().make_eval_dataloader(**kwargs)
        else:
            self.dataloader = MiniBatches(parts, self.eval_mb_size)

    def forward(self) -> Tensor:
        """Scores of the current mini-batch, shape (N, outputs)."""
        return self.model(self.mb_x, self.mb_task_id)

    def backward(self) -> None:
        """Backward pass, after a look at the loss: a learner that diverged stops here."""
        if not math.isfinite(self.loss.item()):
            raise Diverged(f"the loss became {self.loss.item()}")
        super().backward()

    def optimizer_step(self) -> None:
        """One step; an optimizer with a true `needs_closure` may repeat the pass. Loss and output stay the first's."""
        if not getattr(self.optimizer, "needs_closure", False):
            self.optimizer.step()
            return
        loss, output = self.loss, self.mb_output
        self.optimizer.step(self.repeat)
        self.loss, self.mb_output = loss, output

    def repeat(self) -> Tensor:
        """The pass over the current mini-batch again, at the weights as they are now, up to the gradient.

        Every hook from `before_forward` to `after_backward` runs again, so that what strategies add
        to the loss and do to the gradient counts each time. Running statistics of normalisation
        layers stay as the first pass left them.

        Returns:
            The loss, a scalar.
        """
        tracking = [
            module
            for module in self.model.modules()
            if getattr(module, "track_running_stats", False)
        ]
        for module in tracking:
            module.track_running_stats = (
                False  # statistics of the mini-batch are still used, just not remembered
            )
        try:
            with torch.enable_grad():
                self.optimizer.zero_grad()
                self.loss = self._make_empty_loss()
                self._before_forward()
                self.mb_output = self.forward()
                self._after_forward()
                self.loss += self.criterion()
                self._before_backward()
                self.backward()
                self._after_backward()
        finally:
            for module in tracking:
                module.track_running_stats = True
        return self.loss.detach()


@dataclass
class Outcome:
    """What a run has measured so far; after the last experience, its outcome.

    Attributes:
        status: `ok` or `diverged`.
        initial, masked_initial: The untrained model on each experience.
        evaluation, masked: One row per experience trained.
        drift: One entry per experience trained.
    """

    status: str = "ok"
    initial: list[float] = field(default_factory=list)
    masked_initial: list[float] = field(default_factory=list)
    evaluation: list[list[float]] = field(default_factory=list)
    masked: list[list[float]] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)


def train(
    learner: Learner,
    scenario,
    meter: Meter,
    *,
    drift: DriftMeter,
    so_far: Outcome | None = None,
    after_experience: Callable[[Outcome], None] | None = None,
    tell: Callable[[int, int, float], None] | None = None,
) -> Outcome:
    """Train on each experience in turn and test on all of them after each.

    Args:
        learner: Model, optimizer, strategies.
        scenario: What a stream's `build` returned. Experiences before its `start` are known from
            the weights: strategies see them begin and end, without a mini-batch, and their row is
            that of the untrained model.
        meter: Takes the seconds of training, evaluation excluded.
        drift: Measures the parameters after each experience.
        so_far: What an interrupted run had measured; training goes on with the next experience.
        after_experience: Called after each experience with all that is measured (to save it).
        tell: Called now and then with (experience, epoch, share of the experience done).

    Returns:
        The outcome; with status `diverged`, the rows measured before the loss became infinite or
        NaN.
    """
    scores = Scores(scenario.measure)
    tests = getattr(scenario, f"{learner.training.measured_on}_stream")
    learner.plugins[:0] = [scores, Ticker(meter, tell)]
    outcome = so_far or Outcome()
    if not outcome.initial:
        learner.eval(tests)
        outcome.initial, outcome.masked_initial = scores.row, scores.masked
    epochs = learner.train_epochs
    for experience in list(scenario.train_stream)[len(outcome.evaluation) :]:
        known = experience.current_experience < scenario.start
        learner.train_epochs = 0 if known else epochs
        try:
            with meter.training():
                learner.train(experience, eval_streams=[])
            if known:
                scores.row, scores.masked = outcome.initial, outcome.masked_initial
            else:
                learner.eval(tests)
        except Diverged:
            outcome.status = "diverged"
            break
        if not all(map(math.isfinite, scores.row)):
            outcome.status = "diverged"
            break
        outcome.evaluation.append(scores.row)
        outcome.masked.append(scores.masked)
        outcome.drift.append(drift.measure(learner.model))
        if after_experience:
            after_experience(outcome)
    return outcome
