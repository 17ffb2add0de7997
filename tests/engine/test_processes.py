"""Worker processes start whole, and end with their parent."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nanocl.engine import processes


def test_a_signal_while_a_worker_starts_comes_after_its_start():
    finished = []
    with pytest.raises(KeyboardInterrupt), processes.deferring_signals():
        os.kill(os.getpid(), signal.SIGINT)
        finished.append(True)
    assert finished == [True]


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5}, raising=False)
    assert processes.cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processes.cores() == 1


def test_a_worker_does_not_run_the_program_that_started_it_again(tmp_path):
    program = tmp_path / "program.py"  # as people write them, without `if __name__ == "__main__"`
    program.write_text(
        "from called import product\n"
        "from nanocl.engine import calls\n"
        "print('begun')\n"
        "print(calls.call(product, 6, 7), __name__)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    shown = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.stdout, shown.stderr, shown.returncode) == ("begun\n42 __main__\n", "", 0)


BLOCKS = """\
import ctypes, resource
from nanocl.engine.processes import keep_freed_memory

{call}
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = library.malloc(2**26)
    ctypes.memset(block, 1, 2**26)
    library.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

pages()
print(pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the GNU C library")
def test_a_worker_uses_the_memory_of_a_large_block_again():
    """A step with temporaries of 90 MB waited for their pages, which the system hands out anew."""

    def pages_of_the_second_block(call):
        program = [sys.executable, "-c", BLOCKS.format(call=call)]
        return int(subprocess.run(program, capture_output=True, check=True).stdout)

    fresh, kept = map(pages_of_the_second_block, ("", "keep_freed_memory()"))
    assert kept < fresh / 100
