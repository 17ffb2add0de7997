"""`python -m nanocl.run` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


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
