"""A process that runs one command and ends at once."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import NoReturn


def run(command: Callable[[], int]) -> NoReturn:
    """Run a command that trains nothing and end the process with its exit code.

    Garbage collections would search the modules of torch again and again, and taking these modules
    apart at the end would take another second.
    """
    gc.disable()
    code = command()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # a reader that has ended: Python knows what to do
        sys.exit(code)
    os._exit(code)
