"""Ways to train the same learner on the same stream: a bare loop, Avalanche twice, and nanocl."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor

from nanocl.data.batches import MiniBatches, TensorDataset, tensor_parts
from nanocl.records import Drift, RunSpec
from nanocl.records.measuring import Measuring
from nanocl.training import assembly, loop
from nanocl.training.context import Context
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome
from nanocl.training.saving import Saving


class Spent(NamedTuple):
    """CPU seconds of a run; on a GPU wall-clock seconds until its last kernel has ended."""

    training: float
    evaluation: float
    drift: float
    steps: int
    checkpoint: float = 0.0

    @property
    def whole(self) -> float:
        """Seconds in all."""
        return self.training + self.evaluation + self.drift + self.checkpoint


def clock(device: str) -> float:
    """Seconds now, see `Spent`."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def bare(spec: RunSpec, context: Context) -> Spent:
    """A loop over mini-batches with fused AdamW that tests as often as nanocl does."""
    learner, scenario = assembly.build(spec, context)
    model, device = learner.model, context.device
    model.kind = "all"  # one output layer with all classes from the start
    optimizer = _fused(learner.optimizer, model)
    training = evaluation = 0.0
    steps = 0
    for position, experience in enumerate((None, *scenario.train_stream)):
        start = clock(device)
        if experience is not None:
            steps += _epochs(model, optimizer, _data(experience), spec, device)
        trained = clock(device)
        for test in scenario.test_stream:
            _accuracy(model, _data(test), spec.training.evaluation_batch_size, device)
        training += trained - start if position else 0.0
        evaluation += clock(device) - trained
    return Spent(training, evaluation, 0.0, steps)


def documented(spec: RunSpec, context: Context) -> Spent:
    """Avalanche's template with its own loader and metrics, as its documentation shows."""
    return _avalanche(SupervisedTemplate, spec, context)


def whole_batches(spec: RunSpec, context: Context) -> Spent:
    """The same, but the loader reads whole mini-batches."""
    return _avalanche(WholeBatches, spec, context)


def nanocl(spec: RunSpec, context: Context) -> Spent:
    """What a run of nanocl does: training, evaluation and drift."""
    return Run(spec, context).train()


class Run:
    """A run of nanocl whose parts are timed.

    Args:
        spec, context: The run.
        measuring: What it tests.
        checkpoint: Where it writes a checkpoint after each experience; None writes none.
    """

    def __init__(
        self,
        spec: RunSpec,
        context: Context,
        measuring: Measuring | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.learner, self.scenario = assembly.build(spec, context)
        self.learner.measuring = measuring or Measuring()
        self._device = context.device
        self._meter = _Meter(context.device)
        model = self.learner.model
        self._drift = _DriftMeter(model, model.head_parameters(), context.device)
        self._checkpoint = 0.0
        self._saving = None
        if checkpoint:
            instruments = (self.learner, self._meter, self._drift)
            self._saving = Saving(checkpoint, spec, *instruments, 0.0, _refuse)

    def train(self) -> Spent:
        """Train and test on the whole stream."""
        start = clock(self._device)
        loop.train(
            self.learner,
            self.scenario,
            self._meter,
            drift=self._drift,
            after_experience=self._save if self._saving else None,
        )
        whole = clock(self._device) - start
        parts = (self._meter.spent, self._drift.spent, self._checkpoint)
        training, drift, checkpoint = parts
        return Spent(training, whole - sum(parts), drift, self._meter.steps, checkpoint)

    def _save(self, outcome: Outcome) -> None:
        start = clock(self._device)
        assert self._saving is not None
        self._saving.after_experience(outcome)
        self._checkpoint += clock(self._device) - start


def _refuse(notice: str) -> None:
    """A run that could not write its checkpoint would seem cheap."""
    raise RuntimeError(notice)


PATHS = {
    "bare loop, fused AdamW": bare,
    "nanocl": nanocl,
    "Avalanche, whole mini-batches": whole_batches,
    "Avalanche as documented": documented,
}


class WholeBatches(SupervisedTemplate):
    """Avalanche's template with nanocl's loader."""

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """Shuffled mini-batches."""
        self.dataloader = self._batches(self.train_mb_size, torch.Generator().manual_seed(0))

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        """Mini-batches in order."""
        self.dataloader = self._batches(self.eval_mb_size, None)

    def _batches(self, size: int, generator: torch.Generator | None) -> MiniBatches:
        parts = tensor_parts(self.adapted_dataset)
        assert parts is not None
        return MiniBatches(parts, size, generator=generator)


def _avalanche(template: type[SupervisedTemplate], spec: RunSpec, context: Context) -> Spent:
    learner, scenario = assembly.build(spec, context)
    metrics = {"epoch": True, "experience": True, "stream": True}
    strategy = template(
        model=learner.model,
        optimizer=learner.optimizer,
        criterion=torch.nn.CrossEntropyLoss(),
        train_mb_size=spec.training.batch_size,
        train_epochs=spec.training.epochs,
        eval_mb_size=spec.training.evaluation_batch_size,
        device=context.device,
        evaluator=EvaluationPlugin(
            accuracy_metrics(**metrics), loss_metrics(**metrics), loggers=[_Silent()]
        ),
    )
    training = evaluation = 0.0
    steps = 0
    for position, experience in enumerate((None, *scenario.train_stream)):
        start = clock(context.device)
        if experience is not None:
            strategy.train(experience)
            steps += -(-len(experience.dataset) // spec.training.batch_size) * spec.training.epochs
        trained = clock(context.device)
        strategy.eval(scenario.test_stream)
        training += trained - start if position else 0.0
        evaluation += clock(context.device) - trained
    return Spent(training, evaluation, 0.0, steps)


class _Silent:
    """A logger that logs nothing; without any, Avalanche warns."""

    def log_metrics(self, metrics: Sequence[Any]) -> None:
        pass


class _Meter(Meter):
    spent = 0.0

    @contextmanager
    def training(self) -> Iterator[None]:
        start = clock(self.device)
        with super().training():
            yield
        self.spent += clock(self.device) - start


class _DriftMeter(DriftMeter):
    def __init__(self, model: torch.nn.Module, head: set[str], device: str) -> None:
        super().__init__(model, head)
        self.device = device
        self.spent = 0.0

    def measure(self, model: torch.nn.Module) -> Drift:
        start = clock(self.device)
        drift = super().measure(model)
        self.spent += clock(self.device) - start
        return drift


def _fused(optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> torch.optim.Optimizer:
    names = ("lr", "betas", "eps", "weight_decay")
    options = {name: optimizer.defaults[name] for name in names}
    return torch.optim.AdamW(model.parameters(), fused=True, **options)


def _data(experience: Any) -> TensorDataset:
    parts = tensor_parts(experience.dataset)
    if parts is None or len(parts) != 1:
        raise ValueError("an experience must be one data set of tensors in memory")
    return parts[0][0]


def _epochs(
    model: Any, optimizer: torch.optim.Optimizer, data: TensorDataset, spec: RunSpec, device: str
) -> int:
    """Train on an experience; the number of steps. Without augmentation it is prepared once."""
    model.train()
    loss = torch.nn.CrossEntropyLoss()
    generator = torch.Generator().manual_seed(0)
    prepared = None
    if data.prepare.augment == "none":
        inputs, targets, _ = data.batch(torch.arange(len(data)))
        prepared = inputs.to(device), targets.to(device)
    steps = 0
    for _ in range(spec.training.epochs):
        order = torch.randperm(len(data), generator=generator)
        for index in order.split(spec.training.batch_size):
            x, y = _batch(data, prepared, index, generator, device)
            optimizer.zero_grad()
            loss(model.head(model.backbone(x)), y).backward()
            optimizer.step()
            steps += 1
    return steps


def _batch(
    data: TensorDataset,
    prepared: tuple[Tensor, Tensor] | None,
    index: Tensor,
    generator: torch.Generator,
    device: str,
) -> tuple[Tensor, Tensor]:
    if prepared is None:
        inputs, targets, _ = data.batch(index, generator)
        return inputs.to(device), targets.to(device)
    rows = index.to(device)
    return prepared[0].index_select(0, rows), prepared[1].index_select(0, rows)


@torch.no_grad()
def _accuracy(model: Any, data: TensorDataset, size: int, device: str) -> float:
    model.eval()
    hits = 0
    for index in torch.arange(len(data)).split(size):
        inputs, targets, _ = data.batch(index)
        scores = model.head(model.backbone(inputs.to(device)))
        hits += int((scores.argmax(1) == targets.to(device)).sum())
    return hits / len(data)
