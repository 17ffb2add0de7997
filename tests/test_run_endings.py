"""However a call ends, no measured run is lost, no process and no traceback is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import called, started
from processes import members_of

# signal and whether the whole group gets it, beside those of the default tests
REST_OF_SIGNALS = [("SIGINT", False), ("SIGTERM", True), ("SIGHUP", False)]
LONG = ("--tier", "smoke", "--strategy", "adamw,sgd", "--set", "training.epochs=2000")


@pytest.mark.skipif(os.name == "nt", reason="signals of a process group")
def test_an_interrupt_while_the_workers_are_warming_up_shows_no_traceback(tmp_path):
    code = (
        # may be ignored
        "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from nanocl.engine import local\nlocal.warm_up()\nprint('ready', flush=True)\n"
        "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    call = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert call.stdout.readline() == "ready\n"
    time.sleep(0.5)
    os.killpg(call.pid, signal.SIGINT)
    assert call.wait(timeout=60) == 130
    time.sleep(0.3)
    os.killpg(call.pid, signal.SIGKILL)  # the server of the workers would go on loading torch
    assert "Traceback" not in call.stderr.read()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "to_all"),
    [
        ("SIGINT", True),  # Ctrl-C reaches the whole group
        ("SIGTERM", False),
        ("SIGHUP", True),
        *(pytest.param(*rest, marks=pytest.mark.slow) for rest in REST_OF_SIGNALS),
    ],
)
def test_a_signal_ends_the_command_and_its_workers(tmp_path, name, to_all):
    number = getattr(signal, name)
    call = started(*LONG, cwd=tmp_path)
    folder = tmp_path / "results" / ".part"
    while not list(folder.glob("*.lock")):  # a run has begun
        assert call.poll() is None, call.stderr.read()
        time.sleep(0.05)
    (os.killpg if to_all else os.kill)(call.pid, number)
    _, said = call.communicate(timeout=60)
    assert call.returncode == 128 + number and "interrupted; measured runs are kept" in said
    assert "Traceback" not in said
    for _ in range(100):  # the server of the workers ends by itself
        if not members_of(call.pid):
            break
        time.sleep(0.1)
    assert not members_of(call.pid)


@pytest.mark.parametrize(("calls", "seeds"), [(2, 2), pytest.param(4, 10, marks=pytest.mark.slow)])
def test_concurrent_calls_measure_each_run_once(tmp_path, calls, seeds):
    words = ("--tier", "smoke", "--strategy", "adamw,sgd,er,ewc", "--workers", "1")
    begun = [started(*words, "--seeds", str(seeds), cwd=tmp_path) for _ in range(calls)]
    shown = [call.communicate(timeout=600) for call in begun]
    assert not any(call.returncode for call in begun), shown
    now = [int(out.split(" runs measured, ")[1].split(" of them now")[0]) for out, _ in shown]
    runs = 4 * seeds
    assert sum(now) == runs and all(f"{runs} of {runs} runs measured" in out for out, _ in shown)
    assert list((tmp_path / "results" / ".part").iterdir()) == []


def test_a_record_that_cannot_be_written_stops_no_other_and_is_not_trained_again(tmp_path):
    root = tmp_path / "results"
    words = ("--tier", "smoke", "--strategy", "adamw,sgd", "--seeds", "1", "--results", root)
    blocked = root / "runs" / "split-digits" / "adamw"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where a folder should be")
    shown = called(*words)
    assert shown.returncode == 1 and "Traceback" not in shown.stderr
    assert "adamw seed 0 failed: measured, but not stored: cannot write results" in shown.stderr
    assert "1 of 2 runs measured" in shown.stdout
    (kept,) = (root / ".part").glob("*.pt")
    blocked.unlink()
    again = called(*words, "--set", "training.threads=1")
    assert again.returncode == 0 and "2 of 2 runs measured, 1 of them now" in again.stdout
    assert not kept.exists()
