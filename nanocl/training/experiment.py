"""One run, from its spec to its result."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nanocl.records import Cost, Notice, Progress, RunResult, RunSpec
from nanocl.records.curves import Message, ResultSoFar
from nanocl.streams import Scenario
from nanocl.training import checkpoint, checkpoint_files, execution, loop, measure, together
from nanocl.training.adapters import counted, drift_meter
from nanocl.training.assembly import build, choose_device, pretrained_hash
from nanocl.training.context import Context
from nanocl.training.curves import Curves
from nanocl.training.grouping import learner_of
from nanocl.training.outcome import Outcome
from nanocl.training.probe import MagnitudeProbe
from nanocl.training.saving import Saving
from nanocl.training.tracking import Tracker

Tell = Callable[[Message], None]


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
        _discard(path, error, notify)
        return _run(spec, context, path, notify, tell)


def run_group(
    specs: Sequence[RunSpec], context: Context, tell: Tell | None = None
) -> Iterator[RunResult]:
    """Train and test the same learner with several seeds as one model: see `together`.

    Their checkpoints are those of `run_one`, written after experiences only.

    Args:
        specs: They differ in the seed only, and `together.obstacle` finds none in their learner.
        context, tell: As for `run_one`.
    """
    context = replace(context, device=choose_device(context.device))
    within = [
        spec
        for spec in specs
        if (path := _checkpoint_of(spec, context)) and checkpoint_files.within(path).exists()
    ]
    for spec in within:  # interrupted in the middle of an experience, when it was alone
        yield run_one(spec, context, tell)
    runs = [_started_anew(spec, context, tell) for spec in specs if spec not in within]
    together.train([run.member for run in runs])
    yield from (run.result(context) for run in runs)


@dataclass
class _Run:
    """A run before or after its training.

    Attributes:
        spec, scenario: What is run.
        member: Its learner and what is left to be trained and tested.
        probe: Looks at the learner while it trains, if the context says so.
        weights: The hash of the file of weights that the model was pretrained to.
    """

    spec: RunSpec
    scenario: Scenario
    member: together.Member
    probe: MagnitudeProbe
    weights: str

    def result(self, context: Context) -> RunResult:
        """The record of what was measured."""
        if context.probes:
            self.probe.save(context.probes, self.spec)
        if self.member.learner.curves:
            self.member.learner.curves.end()
        return self._record(self.member.meter, context)

    def so_far(self, context: Context) -> RunResult:
        """The record after an experience; the meter goes on as if nobody had looked."""
        return self._record(copy.copy(self.member.meter), context)

    def _record(self, meter: measure.Meter, context: Context) -> RunResult:
        learner = self.member.learner
        cost = meter.cost(
            learner.model, learner.optimizer, learner.strategies, workers=context.workers
        )
        outcome = self.member.outcome
        cost = counted(cost, learner.model)
        result = _result(self.spec, self.scenario, learner, outcome, cost, context.device)
        return replace(result, weights=self.weights)


def _run(
    spec: RunSpec,
    context: Context,
    path: Path | None,
    notify: Callable[[str], None],
    tell: Tell | None,
) -> RunResult:
    run = _started(spec, context, path, notify, tell)
    member = run.member
    for experience in member.experiences:
        loop.train_on(member.learner, experience, member.meter, member.outcome)
    return run.result(context)


def _started_anew(spec: RunSpec, context: Context, tell: Tell | None) -> _Run:
    """A run that writes no checkpoint within an experience."""
    context = replace(context, checkpoint_minutes=0)
    notify = _notifier(spec, tell)
    path = _checkpoint_of(spec, context)
    try:
        return _started(spec, context, path, notify, tell)
    except checkpoint.Unusable as error:
        _discard(path, error, notify)
        return _started(spec, context, path, notify, tell)


def _discard(path: Path | None, error: Exception, notify: Callable[[str], None]) -> None:
    assert path is not None
    checkpoint_files.delete(path)
    notify(f"starting again, its checkpoint was not usable: {error}")


def _started(
    spec: RunSpec,
    context: Context,
    path: Path | None,
    notify: Callable[[str], None],
    tell: Tell | None,
) -> _Run:
    """The run as it begins, or where its checkpoint was written."""
    weights = pretrained_hash(spec, context)
    learner, scenario = _prepared(spec, context)
    learner.resident.notify = notify
    meter = measure.Meter(context.device)
    learner.measuring = context.measuring_of(spec)
    if learner.measuring.track_every:
        learner.tracker = Tracker(learner.measuring.track_every, meter)
    drift = drift_meter(learner.model)
    log = tell if context.logs else None
    if log:
        learner.curves = Curves(spec.digest, meter, drift, log)
    saving = None
    if path:
        minutes = context.checkpoint_minutes
        saving = Saving(path, spec, learner, meter, drift, minutes, notify)
        saving.on_written = context.on_written or saving.on_written
    outcome = (saving.resume() if saving else None) or Outcome()
    probe = MagnitudeProbe()
    if context.probes:
        learner.plugins.append(probe)

    def after_experience(outcome: Outcome) -> None:
        if log:
            log(ResultSoFar(run.so_far(context)))
        if saving:
            saving.after_experience(outcome)

    experiences = loop.experiences(
        learner,
        scenario,
        meter,
        outcome,
        drift=drift,
        after_experience=after_experience,
        tell=_teller(spec, scenario, meter, tell) if tell else None,
    )
    member = together.Member(learner, meter, outcome, experiences)
    run = _Run(spec, scenario, member, probe, weights)
    return run


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
    """The file of the run's checkpoint.

    A probed run has none, since its probe starts at zero, nor has one that could not resume from it
    with the same numbers.
    """
    if context.checkpoints is None or context.probes or learner_of(spec) in context.unsavable:
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
        mastery=tuple(outcome.mastery),
        function=tuple(outcome.function),
        validation=tuple(map(tuple, outcome.validation)),
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
