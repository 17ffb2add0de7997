"""Runs in processes of this machine. The death of a worker affects its own run only."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess

from nanocl.engine.outcomes import RunGroup, RunOne, outcome_of, outcomes_of
from nanocl.engine.pools import Death, OnProgress, Task, run_in
from nanocl.engine.processes import (
    CLOSED,
    context,
    end_with_parent,
    ignoring_interrupts,
    keep_freed_memory,
    receive,
    start,
    stop,
)
from nanocl.records import RunFailure, RunResult, RunSpec
from nanocl.records.curves import Message
from nanocl.records.reservations import Reservations

TRIES = 2  # a worker killed for lack of memory may succeed when others have ended


def warm_up() -> None:
    """Start importing torch and Avalanche in the background, so that workers start at once."""
    way = context()
    if way.get_start_method() == "forkserver":
        way.set_forkserver_preload(["nanocl.training.preloaded"])
        with ignoring_interrupts():
            ensure_running()


def run_all(
    run_one: RunOne,
    specs: Sequence[RunSpec],
    *,
    workers: int,
    on_progress: OnProgress = lambda progress: None,
    reservations: Reservations | None = None,
    gpus: Sequence[str] = (),
    run_group: RunGroup | None = None,
    group: Callable[[Sequence[RunSpec]], Sequence[Task]] | None = None,
) -> Generator[RunResult | RunFailure]:
    """Execute runs in `workers` processes.

    Args:
        run_one: Picklable; called as `run_one(spec, tell=...)` in a worker.
        specs: What to run.
        workers: Processes at a time.
        on_progress: Called in this process with what the workers send while they run.
        reservations: Runs that other processes measure are left to them.
        gpus: GPUs as CUDA_VISIBLE_DEVICES names them; each worker sees one of them only, and they
            have equal numbers of workers.
        run_group: As `run_one` for several specs; an iterator of their results.
        group: Returns the specs in tasks; those of more than one spec go to `run_group`.

    Yields:
        One result or failure for each spec that this process ran, in the order in which they end. A
        reservation is released when the caller asks for the next one.
    """
    return run_in(
        _Pool(run_one, run_group, gpus),
        group(specs) if group else [(spec,) for spec in specs],
        workers=workers,
        on_progress=on_progress,
        reservations=reservations,
    )


@dataclass
class _Pool:
    """Worker processes: those with a run, and those that wait for one."""

    run_one: RunOne
    run_group: RunGroup | None = None
    gpus: Sequence[str] = ()
    # the runs of each task that have no outcome yet
    busy: dict[Connection, tuple[BaseProcess, Task, int]] = field(default_factory=dict)
    idle: list[tuple[Connection, BaseProcess]] = field(default_factory=list)
    gpu_of: dict[Connection, str] = field(default_factory=dict)

    def start(self, task: Task, attempt: int) -> None:
        """Give a task to an idle worker, or to a new one; an idle worker may have died."""
        while True:
            connection, process = self.idle.pop() if self.idle else self._new_worker()
            try:
                connection.send(task)
            except CLOSED:
                self.gpu_of.pop(connection, None)
                stop(connection, process)
                continue
            self.busy[connection] = (process, task, attempt)
            return

    def _new_worker(self) -> tuple[Connection, BaseProcess]:
        """A worker on the GPU that has the fewest."""
        if not self.gpus:
            return start(_serve, self.run_one, self.run_group)
        taken = Counter(self.gpu_of.values())
        gpu = min(self.gpus, key=lambda name: taken[name])
        connection, process = start(_serve, self.run_one, self.run_group, gpu)
        self.gpu_of[connection] = gpu
        return connection, process

    def outcomes(
        self,
        on_progress: OnProgress,
        timeout: float | None,
    ) -> Iterator[RunResult | RunFailure | Death]:
        """Wait for the workers; what they report, and who died."""
        if not self.busy:
            return  # waiting for nothing would never end
        for connection in wait(list(self.busy), timeout):
            assert isinstance(connection, Connection)
            message = receive(connection)
            if isinstance(message, Message):
                on_progress(message)
                continue
            process, task, attempt = self.busy.pop(connection)
            if message is not None:
                left = tuple(spec for spec in task if spec.digest != message.spec.digest)
                if left:
                    self.busy[connection] = (process, left, attempt)
                else:
                    self.idle.append((connection, process))
                yield message
                continue
            process.join()
            self.gpu_of.pop(connection, None)
            connection.close()
            reason = (
                f"the worker process died {TRIES} times (exit code {process.exitcode}); too little "
                "memory is the usual cause: try fewer --workers"
            )
            for spec in task:  # each is tried again alone
                yield Death(spec, attempt, TRIES, reason)

    def end(self) -> None:
        """End every worker."""
        for connection, process in self.idle:
            stop(connection, process)
        for connection, (process, _, _) in self.busy.items():
            stop(connection, process)


def _serve(
    connection: Connection, run_one: RunOne, run_group: RunGroup | None, gpu: str = ""
) -> None:
    """A worker: run what comes, until the other end is closed."""
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # torch looks at it when it first uses CUDA
    threading.Thread(target=end_with_parent, daemon=True).start()
    keep_freed_memory()
    while True:
        try:
            task: Task = connection.recv()
            if len(task) == 1 or run_group is None:
                for spec in task:
                    connection.send(outcome_of(run_one, spec, tell=connection.send))
                continue
            for outcome in outcomes_of(run_group, task, tell=connection.send):
                connection.send(outcome)
        except (KeyboardInterrupt, *CLOSED):
            return
