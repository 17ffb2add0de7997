"""The engines that a call can name: this machine, or a Ray cluster."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from nanocl.cli.commandline import Call
from nanocl.engine import calls, local, processes
from nanocl.records import Notice, RunFailure, RunResult, RunSpec, UserError, extras
from nanocl.records.roots import absolute
from nanocl.training import elsewhere, entry, grouping
from nanocl.training.context import Context, Findings
from nanocl.training.devices import Devices

RunAll = Callable[..., Generator[RunResult | RunFailure]]


@contextmanager
def here(todo: Sequence[RunSpec], asked: Call, context: Context) -> Iterator[RunAll]:
    """The engine of this machine, after each different learner was built once as a check."""
    devices, findings = _checked(todo, context)
    if asked.machines.runs_per_gpu > 1 and not devices.gpus:
        print("nanocl: --runs-per-gpu has no effect, the runs are on the CPU", file=sys.stderr)
    threads = todo[0].training.threads
    automatic = devices.workers(processes.cores(), threads, asked.machines.runs_per_gpu)
    workers = min(asked.machines.workers or automatic, len(todo))
    context = replace(context, device=devices.kind, workers=workers, unsavable=findings.unsavable)
    yield functools.partial(
        local.run_all,
        functools.partial(entry.run_one, context=context),
        workers=workers,
        gpus=devices.gpus,
        run_group=functools.partial(entry.run_group, context=context),
        group=functools.partial(
            grouping.tasks,
            obstacles=findings.alone,
            workers=workers,
            fewest=grouping.fewest(asked.machines.vectorize, devices.kind),
        ),
    )


@contextmanager
def on_cluster(todo: Sequence[RunSpec], asked: Call, context: Context) -> Iterator[RunAll]:
    """The engine of a Ray cluster, after the same check here."""
    try:
        from nanocl.engine import ray, ray_machines
    except ImportError as error:
        raise UserError(
            f"--engine ray needs the package ray; {extras.command('ray')} ({error})"
        ) from error
    with ray_machines.connected(asked.machines.address):
        _, findings = _checked(todo, replace(context, device="cpu", vectorize="off"))
        device = ray_machines.device(context.device)
        workers = min(asked.machines.workers or len(todo), len(todo))
        contents = elsewhere.data_files(todo, asked.data_root)
        cluster = ray.Cluster(
            functools.partial(elsewhere.checkpoint_of, results_root=asked.results_root),
            functools.partial(elsewhere.keep, results_root=asked.results_root),
            shared=contents,
            runs_per_gpu=asked.machines.runs_per_gpu if device == "cuda" else 0,
        )
        context = replace(
            context,
            device=device,
            workers=workers,
            data_root=absolute(asked.data_root),
            unsavable=findings.unsavable,
        )
        run_one = elsewhere.Elsewhere(context, elsewhere.key_of(contents))
        yield functools.partial(cluster.run_all, run_one, workers=workers)


def _checked(todo: Sequence[RunSpec], context: Context) -> tuple[Devices, Findings]:
    # in a worker, because it loads torch and the code of plugins
    return calls.call(entry.check, todo, context, on_notice=_show_notice)


def _show_notice(notice: Notice) -> None:
    print(f"nanocl: {notice.text}", file=sys.stderr)
