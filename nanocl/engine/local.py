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

from nanocl.engine.outcomes import RunOne, outcome_of
from nanocl.engine.pools import Death, run_in
from nanocl.engine.processes import (
    CLOSED,
    context,
    end_with_parent,
    ignoring_interrupts,
    receive,
    start,
    stop,
)
from nanocl.records import Notice, Progress, RunFailure, RunResult, RunSpec
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
    on_progress: Callable[[Progress | Notice], None] = lambda progress: None,
    reservations: Reservations | None = None,
    gpus: Sequence[str] = (),
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

    Yields:
        One result or failure for each spec that this process ran, in the order in which they end. A
        reservation is released when the caller asks for the next one.
    """
    return run_in(
        _Pool(run_one, gpus),
        specs,
        workers=workers,
        on_progress=on_progress,
        reservations=reservations,
    )


@dataclass
class _Pool:
    """Worker processes: those with a run, and those that wait for one."""

    run_one: RunOne
    gpus: Sequence[str] = ()
    busy: dict[Connection, tuple[BaseProcess, RunSpec, int]] = field(default_factory=dict)
    idle: list[tuple[Connection, BaseProcess]] = field(default_factory=list)
    gpu_of: dict[Connection, str] = field(default_factory=dict)

    def start(self, spec: RunSpec, attempt: int) -> None:
        """Give a run to an idle worker, or to a new one; an idle worker may have died."""
        while True:
            connection, process = self.idle.pop() if self.idle else self._new_worker()
            try:
                connection.send(spec)
            except CLOSED:
                self.gpu_of.pop(connection, None)
                stop(connection, process)
                continue
            self.busy[connection] = (process, spec, attempt)
            return

    def _new_worker(self) -> tuple[Connection, BaseProcess]:
        """A worker on the GPU that has the fewest."""
        if not self.gpus:
            return start(_serve, self.run_one)
        taken = Counter(self.gpu_of.values())
        gpu = min(self.gpus, key=lambda name: taken[name])
        connection, process = start(_serve, self.run_one, gpu)
        self.gpu_of[connection] = gpu
        return connection, process

    def outcomes(
        self,
        on_progress: Callable[[Progress | Notice], None],
        timeout: float | None,
    ) -> Iterator[RunResult | RunFailure | Death]:
        """Wait for the workers; what they report, and who died."""
        if not self.busy:
            return  # waiting for nothing would never end
        for connection in wait(list(self.busy), timeout):
            assert isinstance(connection, Connection)
            message = receive(connection)
            if isinstance(message, Progress | Notice):
                on_progress(message)
                continue
            process, spec, attempt = self.busy.pop(connection)
            if message is not None:
                self.idle.append((connection, process))
                yield message
                continue
            process.join()
            self.gpu_of.pop(connection, None)
            connection.close()
            yield Death(
                spec,
                attempt,
                TRIES,
                f"the worker process died {TRIES} times (exit code {process.exitcode}); too little "
                "memory is the usual cause: try fewer --workers",
            )

    def end(self) -> None:
        """End every worker."""
        for connection, process in self.idle:
            stop(connection, process)
        for connection, (process, _, _) in self.busy.items():
            stop(connection, process)


def _serve(connection: Connection, run_one: RunOne, gpu: str = "") -> None:
    """A worker: run what comes, until the other end is closed."""
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # torch looks at it when it first uses CUDA
    threading.Thread(target=end_with_parent, daemon=True).start()
    while True:
        try:
            spec = connection.recv()
        except CLOSED:
            return
        try:
            answer = outcome_of(run_one, spec, tell=connection.send)
        except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
            return
        try:
            connection.send(answer)
        except CLOSED:
            return
