"""What a command has its workers do. Importing this loads no torch: the workers do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from nanocl.records import Notice, RunResult, RunSpec
from nanocl.records.curves import Message
from nanocl.records.ranges import device_of
from nanocl.training.context import Context, Findings
from nanocl.training.devices import Devices, devices
from nanocl.training.grouping import learner_of

Tell = Callable[[Message], None]


def check(specs: Sequence[RunSpec], context: Context, tell: Tell) -> tuple[Devices, Findings]:
    """Build each different learner once, before any training.

    Returns:
        The devices of the runs, and what `assembly.check` found.

    Raises:
        UserError: A mistake in the specs, or no such device.
    """
    from nanocl.training import assembly

    named, number = device_of(context.device)
    context = replace(context, device=named)
    used = devices(assembly.choose_device(named), number)
    with warnings_told("", tell):
        findings = assembly.check(specs, context)
    for spec in specs:
        reason = findings.unsavable.get(learner_of(spec))
        if reason and spec.seed == specs[0].seed:
            tell(Notice("", _no_checkpoint(spec, reason)))
    return used, findings


def _no_checkpoint(spec: RunSpec, reason: str) -> str:
    return (
        f"{spec.strategy_name} is trained without checkpoints, and begins again after an "
        f"interruption: {reason}"
    )


@contextmanager
def warnings_told(digest: str, tell: Tell) -> Iterator[None]:
    """Tell our warnings in the block as notices of a run; others do not concern the caller."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        tell(Notice(digest, str(message)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module=r"nanocl\b")
        warnings.showwarning = show
        yield


def run_one(spec: RunSpec, context: Context, tell: Tell | None = None) -> RunResult:
    """Train and test one learner: see `experiment.run_one`."""
    from nanocl.training import experiment

    return experiment.run_one(spec, context, tell)


def run_group(
    specs: Sequence[RunSpec], context: Context, tell: Tell | None = None
) -> Iterator[RunResult]:
    """Train and test several seeds as one model: see `experiment.run_group`."""
    from nanocl.training import experiment

    yield from experiment.run_group(specs, context, tell)
