"""Runs in processes of this machine. The death of a worker affects its own run only."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from typing import cast

from nanocl.records import Progress, RunFailure, RunResult, RunSpec

RunOne = Callable[..., RunResult]
TRIES = 2  # a worker killed for lack of memory may succeed when others have ended


def warm_up() -> None:
    """Start importing torch and Avalanche in the background, so that workers start at once."""
    context = _context()
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["nanocl.training.experiment"])
        with _ignoring_interrupts():
            ensure_running()


def run_all(
    run_one: RunOne,
    specs: Sequence[RunSpec],
    *,
    workers: int,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Iterator[RunResult | RunFailure]:
    """Execute runs in `workers` processes.

    Args:
        run_one: Picklable; called as `run_one(spec, tell=...)` in a worker.
        specs: What to run.
        workers: Processes at a time.
        on_progress: Called in this process with the progress that the workers send.

    Yields:
        One result or failure for each spec, in the order in which they end.
    """
    waiting = deque((spec, 1) for spec in specs)
    busy: dict[Connection, tuple[BaseProcess, RunSpec, int]] = {}
    idle: list[tuple[Connection, BaseProcess]] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                connection, process = idle.pop() if idle else _start(run_one)
                spec, attempt = waiting.popleft()
                connection.send(spec)
                busy[connection] = (process, spec, attempt)
            for ready in wait(list(busy)):
                connection = cast(Connection, ready)
                message = _receive(connection)
                if isinstance(message, Progress):
                    on_progress(message)
                    continue
                process, spec, attempt = busy.pop(connection)
                if message is not None:
                    idle.append((connection, process))
                    yield message
                    continue
                process.join()
                if attempt < TRIES:
                    waiting.append((spec, attempt + 1))
                else:
                    yield RunFailure(
                        spec,
                        f"the worker process died {TRIES} times (exit code {process.exitcode}); "
                        "too little memory is the usual cause: try fewer --workers",
                    )
    finally:
        for connection, process in (*idle, *((c, b[0]) for c, b in busy.items())):
            connection.close()
            process.terminate()
            process.join()


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Processes started in this block ignore Ctrl-C: this process handles it and ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set signal handlers
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _context() -> ForkServerContext | SpawnContext:
    if "forkserver" in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def _start(run_one: RunOne) -> tuple[Connection, BaseProcess]:
    context = _context()
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, run_one), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _serve(connection: Connection, run_one: RunOne) -> None:
    while True:
        try:
            spec = connection.recv()
        except EOFError:
            return
        try:
            answer: RunResult | RunFailure = run_one(spec, tell=connection.send)
        except KeyboardInterrupt:
            return
        except SystemExit as error:
            answer = RunFailure(
                spec,
                f"code of the run called sys.exit({error.code!r}); a plugin should raise an "
                "error that says why",
                traceback.format_exc(),
            )
        except Exception as error:
            answer = RunFailure(spec, f"{type(error).__name__}: {error}", traceback.format_exc())
        connection.send(answer)


def _receive(connection: Connection) -> Progress | RunResult | RunFailure | None:
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        return None
