"""Training on Avalanche's template with whole mini-batches: scenario in, evaluation matrix out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from avalanche.models.dynamic_optimizers import update_optimizer
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from nanocl.data.resident import Resident
from nanocl.records import Training
from nanocl.records.measuring import Measuring
from nanocl.streams import Scenario
from nanocl.training.curves import Curves
from nanocl.training.drift import DriftMeter
from nanocl.training.function_drift import FunctionMeter
from nanocl.training.heads import Network
from nanocl.training.mastery import Mastery
from nanocl.training.measure import Meter
from nanocl.training.minibatches import MiniBatchTemplate
from nanocl.training.moments import restart_bias_correction
from nanocl.training.normalisation import RunningStatistics
from nanocl.training.observers import Diverged, Scores, Ticker, no_evaluator
from nanocl.training.outcome import Outcome, rows_of, tested
from nanocl.training.schedule import Schedule
from nanocl.training.tracking import Tracker


class Learner(MiniBatchTemplate):
    """Model, optimizer and strategies: Avalanche's template with a faster data path.

    All of Avalanche's hooks and plugins work.

    Attributes:
        training: Epochs or iterations, mini-batch sizes, what happens to the optimizer's state.
        seed: Source of the data order, which is the same for every strategy.
        measuring: Which experiences are tested, and when.
        tracker, curves, mastery: Test within experiences, send loss and drift while it trains, end
            experiences that are mastered; or None.
        function: Measures how far features and outputs moved.
        largest: On a GPU, the largest magnitude of the loss in this epoch; NaN if it was NaN once.
    """

    loss: Tensor
    largest: Tensor
    mb_output: Tensor
    optimized_param_id: dict[str, Tensor] | None

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
            evaluator=no_evaluator(),
        )
        self.plugins.remove(self.evaluator)  # it does nothing, but at every hook of a mini-batch
        self.training = training
        self.seed = seed
        self.resident = Resident(device)
        self.strategies = list(strategies)
        self.statistics: RunningStatistics | None = None
        self.measuring = Measuring()
        self.tracker: Tracker | None = None
        self.curves: Curves | None = None
        self.mastery = Mastery() if training.until == "mastered" else None
        self.function = FunctionMeter()

    def check_model_and_optimizer(self, **kwargs: Any) -> None:
        """Adapt the model to the experience; keep or reset the optimizer's state."""
        super().check_model_and_optimizer(
            reset_optimizer_state=self.training.optimizer_state == "reset", **kwargs
        )
        if self.training.optimizer_state == "reset-step":
            restart_bias_correction(self.optimizer)

    def make_optimizer(self, **kwargs: Any) -> None:
        """Keep the optimizer's groups: parameters that the strategy left out stay out.

        Avalanche's own first call adds every parameter of the model; later parameters are added
        here, too.
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
        """Test each task label with the running statistics that it was trained with."""
        self.statistics = RunningStatistics(self.model)

    def _before_training_exp(self, **kwargs: Any) -> None:
        if self.statistics:
            self.statistics.begin(self.experience.task_label)
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

    def forward(self) -> Tensor:
        """Scores of the current mini-batch, shape (N, outputs)."""
        scores: Tensor = self.model(self.mb_x, self.host_labels)
        return scores

    def backward(self) -> None:
        """Backward pass; a loss that is not finite stops the run, on a GPU after the epoch."""
        if self.loss.device.type != "cpu":  # reading the loss now would let the host wait
            self.largest = torch.maximum(self.largest, self.loss.detach().abs())
        elif not math.isfinite(self.loss.item()):
            raise Diverged(f"the loss became {self.loss.item()}")
        super().backward()

    def training_epoch(self, **kwargs: Any) -> None:
        """One pass; see `InterruptibleTemplate`."""
        self.largest = torch.zeros((), device=self.device)
        super().training_epoch(**kwargs)
        if not math.isfinite(self.largest.item()):
            raise Diverged(f"the loss became {self.largest.item()}")

    def optimizer_step(self) -> None:
        """One step. With `needs_closure` the optimizer repeats the pass; the first loss is kept."""
        if not getattr(self.optimizer, "needs_closure", False):
            self.optimizer.step()
            return
        loss = self.loss
        output = self.mb_output
        self.optimizer.step(self.repeat)
        self.loss = loss
        self.mb_output = output

    def repeat(self) -> Tensor:
        """Repeat forward and backward pass on the current mini-batch at the current weights.

        Every hook from `before_forward` to `after_backward` runs again, so that changes of loss and
        gradient by strategies apply each time. Running statistics of normalisation layers stay as
        after the first pass.

        Returns:
            The loss, a scalar.
        """
        tracking = [m for m in self.model.modules() if getattr(m, "track_running_stats", False)]
        for module in tracking:
            # statistics of the mini-batch are still used, but do not enter the running ones
            module.track_running_stats = False
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


def train(
    learner: Learner,
    scenario: Scenario,
    meter: Meter,
    *,
    drift: DriftMeter,
    so_far: Outcome | None = None,
    after_experience: Callable[[Outcome], None] | None = None,
    tell: Callable[[int, int, float], None] | None = None,
) -> Outcome:
    """Train on each experience in turn, and test after each as `learner.measuring` says.

    The arguments are those of `experiences`.

    Returns:
        The outcome; with status `diverged`, the rows before the loss became infinite or NaN.
    """
    outcome = so_far or Outcome()
    for experience in experiences(
        learner, scenario, meter, outcome, drift=drift, after_experience=after_experience, tell=tell
    ):
        train_on(learner, experience, meter, outcome)
    return outcome


def train_on(learner: Learner, experience: Any, meter: Meter, outcome: Outcome) -> None:
    """Train on one experience; the outcome's status says whether the loss diverged."""
    try:
        with meter.training():
            learner.train(experience, eval_streams=[])
    except Diverged:
        outcome.status = "diverged"


def experiences(
    learner: Learner,
    scenario: Scenario,
    meter: Meter,
    outcome: Outcome,
    *,
    drift: DriftMeter,
    after_experience: Callable[[Outcome], None] | None = None,
    tell: Callable[[int, int, float], None] | None = None,
) -> Iterator[Any]:
    """The experiences that are left, for the caller to train on; each is tested before the next.

    It ends early when the outcome's status is `diverged`, which the caller sets, too.

    Args:
        learner: Model, optimizer, strategies.
        scenario: The result of a stream's `build`. The model's weights were trained on the
            experiences before `start`: strategies see them begin and end without a mini-batch, and
            their row is that of the untrained model.
        meter: Counts the seconds of training, evaluation excluded.
        outcome: Empty, or that of an interrupted run; the measurements are added to it.
        drift: Measures the parameters after each experience.
        after_experience: Called after each experience with the outcome so far, to save it.
        tell: Called from time to time with (experience, epoch, share of the experience done).
    """
    scores = Scores(scenario.measure)
    training = learner.training
    count = training.experiences or len(scenario.train_stream)
    tests, held = tested(scenario, training, count)
    schedule = Schedule(training.schedule, training.schedule_at, scenario.start)
    tracker = learner.tracker and learner.tracker.begin(tests, scores)
    learner.plugins[:0] = [
        scores,
        learner.function.begin(tests),
        Ticker(meter, tell),
        *filter(None, (tracker, learner.curves, learner.mastery)),
        *([] if training.schedule == "constant" else [schedule]),
    ]
    if not outcome.initial:
        learner.eval(tests)
        outcome.initial, outcome.masked_initial = scores.row, scores.masked
    epochs = learner.train_epochs
    for experience in list(scenario.train_stream)[len(outcome.evaluation) : count]:
        number = experience.current_experience
        is_trained = number < scenario.start
        learner.train_epochs = 0 if is_trained else epochs
        try:
            learner.function.before(learner, number, is_trained)
        except Diverged:  # the outputs on the samples that come next are infinite
            outcome.status = "diverged"
            return
        yield experience
        if outcome.status == "diverged":
            return
        rows = outcome.untrained(len(held))
        try:
            if not is_trained:
                chosen = learner.measuring.tests(number, len(tests))
                rows = rows_of(learner, tests, held, scores, chosen)
        except Diverged:
            outcome.status = "diverged"
        if outcome.status == "diverged" or not outcome.add(rows):
            return
        outcome.drift.append(drift.measure(learner.model))
        outcome.function.append(learner.function.after(learner, number))
        if learner.mastery:
            outcome.mastery.append(learner.mastery.entry())
        if after_experience:
            after_experience(outcome)
