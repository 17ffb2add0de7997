"""`python -m nanocl.run` in a process of its own, or in that of the tests."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from nanocl import run


def called(*arguments: str | Path, main=run.main) -> subprocess.CompletedProcess[str]:
    """A command in this process: torch is loaded once for all calls of its workers.

    Workers start in the folder of this process: give results and data folders as whole paths.
    """
    out, error = io.StringIO(), io.StringIO()
    words = [str(word) for word in arguments]
    with redirect_stdout(out), redirect_stderr(error), patch.dict(os.environ):
        code = main(words)  # which sets variables for its workers
    return subprocess.CompletedProcess(words, code, out.getvalue(), error.getvalue())


def command(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "nanocl.run", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        timeout=300,
    )


def started(*arguments: str, cwd: Path, **environment: str) -> subprocess.Popen:
    """The command without waiting for its end, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "nanocl.run", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        start_new_session=True,
    )
