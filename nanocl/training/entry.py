"""What a command has its workers do. Importing this loads no torch: the workers do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

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

    def show(message: Warning | str, *_: object, **__: object) -> None:
        tell(Notice("", str(message)))

    kind = assembly.choose_device(context.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module=r"nanocl\b")
        warnings.showwarning = show
        assembly.check(specs, context)
    return devices(kind)


def run_one(spec: RunSpec, context: Context, tell: Tell | None = None) -> RunResult:
    """Train and test one learner: see `experiment.run_one`."""
    from nanocl.training import experiment

    return experiment.run_one(spec, context, tell)
