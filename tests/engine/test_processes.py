"""Worker processes start whole, and end with their parent."""

import os
import signal

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
