"""What a worker answers, whatever its run does."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from nanocl.engine.processes import SAY_WHY
from nanocl.records import RunFailure, RunResult, RunSpec

RunOne = Callable[..., RunResult]


def outcome_of(run_one: RunOne, spec: RunSpec, **values: Any) -> RunResult | RunFailure:
    """The result of `run_one(spec, **values)`, or why there is none.

    Raises:
        KeyboardInterrupt, BrokenPipeError, ConnectionResetError: Nobody waits for an answer.
    """
    try:
        return run_one(spec, **values)
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        raise
    except SystemExit as error:
        reason = f"code of the run called sys.exit({error.code!r}); {SAY_WHY}"
        return RunFailure(spec, reason, traceback.format_exc())
    except Exception as error:
        return RunFailure(spec, f"{type(error).__name__}: {error}", traceback.format_exc())
