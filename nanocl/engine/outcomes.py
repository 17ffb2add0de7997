"""What a worker answers, whatever its run does."""

from __future__ import annotations

import ctypes
import gc
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nanocl.engine.processes import SAY_WHY
from nanocl.records import RunFailure, RunResult, RunSpec

RunOne = Callable[..., RunResult]
RunGroup = Callable[..., Iterator[RunResult]]


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
    finally:
        _forget()


def _forget() -> None:
    """Free what is left of a run, and return the memory to the system.

    Learners refer to what refers to them, and the C library keeps freed memory between what is
    still in use: a worker held a dozen learners, and the peaks of later runs contained them.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # only the GNU library has the function
        ctypes.CDLL(None).malloc_trim(0)


def outcomes_of(
    run_group: RunGroup, specs: tuple[RunSpec, ...], **values: Any
) -> Iterator[RunResult | RunFailure]:
    """The results of `run_group(specs, **values)` as they come; failures where one is missing.

    Raises:
        KeyboardInterrupt, BrokenPipeError, ConnectionResetError: Nobody waits for an answer.
    """
    results = run_group(specs, **values)
    left = list(specs)
    while left:
        outcome = outcome_of(lambda spec: next(results), left[0])
        if isinstance(outcome, RunFailure):
            yield from (replace(outcome, spec=spec) for spec in left)
            return
        left = [spec for spec in left if spec.digest != outcome.spec.digest]
        yield outcome
