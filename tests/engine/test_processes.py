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
