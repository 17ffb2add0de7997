"""One function in a worker process, so that this process need not load what it needs."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from nanocl.engine.processes import CLOSED, SAY_WHY, end_with_parent, receive, start, stop
from nanocl.records import Notice, UserError

Value = TypeVar("Value")


def call(
    function: Callable[..., Value],
    *arguments: Any,
    on_notice: Callable[[Notice], None] = lambda notice: None,
) -> Value:
    """The value of a function that a worker process computes.

    Args:
        function: Picklable, as are its arguments; called as `function(*arguments, tell=...)`.
        on_notice: Called in this process with what the function tells.

    Raises:
        UserError: The function raised one, called `sys.exit`, or took its process down.
        RuntimeError: It raised another error; the message is its traceback.
    """
    connection, process = start(_answer, function, arguments)
    try:
        while isinstance(message := receive(connection), Notice):
            on_notice(message)
        if message is None:
            process.join()
            raise UserError(
                f"the process that checked the runs died (exit code {process.exitcode}); too "
                "little memory is the usual cause: try a smaller model"
            )
    finally:
        stop(connection, process)
    value, error = message
    if error:
        raise error
    return value


def _answer(connection: Connection, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """A worker of `call`: send the value and None, or None and an error."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    answer: tuple[Any, Exception | None]
    try:
        answer = function(*arguments, tell=connection.send), None
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        return
    except SystemExit as error:
        answer = None, UserError(f"a plugin called sys.exit({error.code!r}); {SAY_WHY}")
    except UserError as error:
        answer = None, UserError(str(error))  # one of a plugin's class might not be picklable
    except Exception:
        answer = None, RuntimeError(traceback.format_exc())
    with suppress(*CLOSED):
        connection.send(answer)
