"""SIGTERM and SIGHUP, which batch systems send, end a command as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Windows has no SIGHUP
SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Within the block the first of these signals is a KeyboardInterrupt; later ones are ignored.

    The number of the signal is its argument when it leaves the block, even if code in between has
    replaced it by one of its own, as Ray does. Outside the main thread, where Python delivers no
    signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        for other in SIGNALS:  # a second signal must not disturb the end of the workers
            signal.signal(other, signal.SIG_IGN)
        received.append(number)
        raise KeyboardInterrupt(number)

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt as error:
        error.args = error.args or tuple(received)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """128 and the number of the signal, as a shell reports it."""
    number = interrupt.args[0] if interrupt.args else signal.SIGINT
    return 128 + int(number)
