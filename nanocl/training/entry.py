"""What a command has its workers do. Importing this loads no torch: the workers do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nanocl.records import Notice, Progress, RunResult, RunSpec
from nanocl.training.context import Context
from nanocl.training.devices import Devices, devices

Tell = Callable[[Progress | Notice], None]


def check(specs: Sequence[RunSpec], context: Context, tell: Tell) -> Devices:
    """Build each different learner once, before any training; returns the devices of the runs.

    Raises:
        UserError: A mistake in the specs, or no such device.
    """
    from nanocl.training import assembly

    kind = assembly.choose_device(context.device)
    with warnings_told("", tell):
        assembly.check(specs, context)
    return devices(kind)


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
