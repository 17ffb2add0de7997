"""Worker processes: how they start, talk and end."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

# Windows has no SIGHUP
ENDING = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
CLOSED = (EOFError, ConnectionResetError, BrokenPipeError)
# parameters of mallopt, in malloc.h of the GNU library
TRIM_THRESHOLD, MMAP_MAX = -1, -4
MOST_FREE = 2**31 - 1  # bytes, the largest that mallopt takes
SAY_WHY = "a plugin should raise an error that says why"


def context() -> ForkServerContext | SpawnContext:
    """The way to start workers: forked from a server that has imported torch, where possible."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start(target: Callable[..., None], *arguments: Any) -> tuple[Connection, BaseProcess]:
    """A process that runs `target(connection, *arguments)`, and the other end of its connection."""
    way = context()
    ours, theirs = way.Pipe()
    process = way.Process(target=target, args=(theirs, *arguments), daemon=True)
    with deferring_signals(), _without_program():
        process.start()  # a child whose start is cut off by a signal would print a traceback
    theirs.close()
    return ours, process


@contextmanager
def _without_program() -> Iterator[None]:
    """Processes started in this block do not run the caller's program again to have its names.

    multiprocessing would import it in each worker, and a script that calls us without `if __name__
    == "__main__"` would call us again there. Our workers need no name of it.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def stop(connection: Connection, process: BaseProcess) -> None:
    """End a process, whatever it does."""
    connection.close()
    process.terminate()
    process.join()


def receive(connection: Connection) -> Any:
    """The next message; None if the other end is closed."""
    try:
        return connection.recv()
    except CLOSED:
        return None


def end_with_parent() -> None:
    """End this process when its parent is gone: nobody would store its result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def keep_freed_memory() -> None:
    """Let this process use freed memory again instead of returning it to the system at once.

    The GNU library maps each block of 32 MiB or more anew and gives the end of the heap back: with
    temporaries of the size of a transformer's weights, a step then waits for its pages.
    """
    with suppress(OSError, AttributeError):  # only the GNU library has the function
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, MOST_FREE)


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Processes started in this block ignore Ctrl-C: this process handles it and ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set signal handlers
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def deferring_signals() -> Iterator[None]:
    """Deliver signals that arrive within the block at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: received.append(number))
        for number in ENDING
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in received[:1]:
            os.kill(os.getpid(), number)
