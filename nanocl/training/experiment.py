"""One run, from its spec to its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nanocl.records import Cost, Notice, Progress, RunResult, RunSpec
from nanocl.streams import Scenario
from nanocl.training import checkpoint, checkpoint_files, execution, loop, measure
from nanocl.training.assembly import build, choose_device, pretrained_hash
from nanocl.training.context import Context
from nanocl.training.drift import DriftMeter
from nanocl.training.outcome import Outcome
from nanocl.training.probe import MagnitudeProbe
from nanocl.training.saving import Saving
from nanocl.training.tracking import Tracker

Tell = Callable[[Progress | Notice], None]


def run_one(spec: RunSpec, context: Context, tell: Tell | None = None) -> RunResult:
    """Train and test one learner, from nothing or from its checkpoint.

    Args:
        spec: What to run.
        context: How to run it.
        tell: Called from time to time with the progress of the run, and with what the caller
            should know.

    The checkpoint stays where it is: who stores the result deletes it.
    """
    notify = _notifier(spec, tell)
    context = replace(context, device=choose_device(context.device))
    execution.check(spec.training, context.device)
    path = _checkpoint_of(spec, context)
    try:
        return _run(spec, context, path, notify, tell)
    except checkpoint.Unusable as error:
        assert path is not None
        checkpoint_files.delete(path)
        notify(f"starting again, its checkpoint was not usable: {error}")
        return _run(spec, context, path, notify, tell)


def _run(
    spec: RunSpec,
    context: Context,
    path: Path | None,
    notify: Callable[[str], None],
    tell: Tell | None,
) -> RunResult:
    weights = pretrained_hash(spec, context)
    learner, scenario = _prepared(spec, context)
    learner.resident.notify = notify
    meter = measure.Meter(context.device)
    learner.measuring = context.measuring
    if context.measuring.track_every:
        learner.tracker = Tracker(context.measuring.track_every, meter)
    drift = DriftMeter(learner.model, learner.model.head_parameters())
    saving = None
    if path:
        minutes = context.checkpoint_minutes
        saving = Saving(path, spec, learner, meter, drift, minutes, notify)
        saving.on_written = context.on_written or saving.on_written
    so_far = saving.resume() if saving else None
    probe = MagnitudeProbe()
    if context.probes:
        learner.plugins.append(probe)
    outcome = loop.train(
        learner,
        scenario,
        meter,
        drift=drift,
        so_far=so_far,
        after_experience=saving.after_experience if saving else None,
        tell=_teller(spec, scenario, meter, tell) if tell else None,
    )
    workers = context.workers
    cost = meter.cost(learner.model, learner.optimizer, learner.strategies, workers=workers)
    if context.probes:
        probe.save(context.probes, spec)
    result = _result(spec, scenario, learner, outcome, cost, context.device)
    return replace(result, weights=weights)


def _prepared(spec: RunSpec, context: Context) -> tuple[loop.Learner, Scenario]:
    """Build the learner and its scenario, with the optimizer's kernels compiled."""
    torch.set_num_threads(spec.training.threads)
    learner, scenario = build(spec, context)
    if hasattr(learner.optimizer, "compile_ahead"):
        # takes seconds once on a machine, which are no part of what a step costs
        learner.optimizer.compile_ahead()
    return learner, scenario


def _notifier(spec: RunSpec, tell: Tell | None) -> Callable[[str], None]:
    told = set()

    def notify(text: str) -> None:
        if tell and text not in told:  # the same after each experience
            told.add(text)
            tell(Notice(spec.digest, text))

    return notify


def _checkpoint_of(spec: RunSpec, context: Context) -> Path | None:
    """The file of the run's checkpoint; a probed run has none, since its probe starts at zero."""
    if context.checkpoints is None or context.probes:
        return None
    return checkpoint_files.path_of(spec, context.checkpoints)


def _teller(
    spec: RunSpec,
    scenario: Scenario,
    meter: measure.Meter,
    tell: Tell,
) -> Callable[[int, int, float], None]:
    experiences = spec.training.experiences or len(scenario.train_stream)
    epochs = 1 if spec.training.iterations else spec.training.epochs

    def on_step(experience: int, epoch: int, share: float) -> None:
        tell(
            Progress(
                digest=spec.digest,
                experience=experience + 1,
                experiences=experiences,
                epoch=epoch + 1,
                epochs=epochs,
                fraction=(experience + share) / experiences,
                samples_per_second=meter.samples / max(1e-9, meter.elapsed()),
            )
        )

    return on_step


def _result(
    spec: RunSpec,
    scenario: Scenario,
    learner: loop.Learner,
    outcome: Outcome,
    cost: Cost,
    device: str,
) -> RunResult:
    masked = None
    if learner.model.kind in ("seen", "all") and scenario.measure == "accuracy":
        masked = {"initial": outcome.masked_initial, "evaluation": outcome.masked}
    return RunResult(
        spec=spec,
        status=outcome.status,
        measure=scenario.measure,
        initial=tuple(outcome.initial),
        evaluation=tuple(map(tuple, outcome.evaluation)),
        masked=masked,
        drift=tuple(outcome.drift),
        cost=cost,
        data=tuple(scenario.data),
        environment=measure.environment(device),
        experiences=_experiences(scenario)[: spec.training.experiences or None],
        evaluate=learner.measuring.evaluate,
        tracking=_tracking(learner),
    )


def _tracking(learner: loop.Learner) -> dict[str, Any]:
    tracker = learner.tracker
    return {"every": tracker.every, "points": tuple(tracker.points)} if tracker else {}


def _experiences(scenario: Scenario) -> tuple[dict[str, Any], ...]:
    """Classes and numbers of samples of each experience, for the record."""
    streams = zip(scenario.labels, scenario.train_stream, scenario.test_stream, strict=True)
    return tuple(
        {"classes": labels, "train": len(train.dataset), "test": len(test.dataset)}
        for labels, train, test in streams
    )
