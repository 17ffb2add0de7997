"""What a command has its workers do. Importing this loads no torch: the workers do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nanocl.records import Notice, Progress, RunResult, RunSpec
from nanocl.training.context import Context
from nanocl.training.devices import Devices, devices

Tell = Callable[[Progress | Notice], None]


def check(specs: Sequence[RunSpec], context: Context, tell: Tell) -> tuple[Devices, dict[str, str]]:
    """Build each different learner once, before any training.

    Returns:
        The devices of the runs, and why seeds are trained alone, see `assembly.check`.

    Raises:
        UserError: A mistake in the specs, or no such device.
    """
    from nanocl.training import assembly

    kind = assembly.choose_device(context.device)
    with warnings_told("", tell):
        obstacles = assembly.check(specs, context)
    return devices(kind), obstacles


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
