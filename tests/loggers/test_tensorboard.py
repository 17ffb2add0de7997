"""Event files that TensorBoard's own reader reads."""

import subprocess
import sys

import pytest

from nanocl.records.curves import Point

pytest.importorskip("tensorboard", reason="the extra nanocl[tensorboard] is not installed")


def test_tensorboard_reads_the_points_of_a_run_that_resumed(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from nanocl.loggers.tensorboard import kind

    for step in (10, 20):
        log = kind(tmp_path).open("stream/sgd/s0", {})
        log.write([Point("training/loss", step, step / 8), Point("average_accuracy", step, 0.5)])
        log.close()
    events = EventAccumulator(str(tmp_path / "stream" / "sgd" / "s0"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["average_accuracy", "training/loss"]
    read = [(one.step, one.value) for one in events.Scalars("training/loss")]
    assert read == [(10, 1.25), (20, 2.5)]


def test_a_run_that_is_cleared_has_only_the_points_since_then(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from nanocl.loggers.tensorboard import kind

    made = kind(tmp_path)
    assert not made.holds("s0", {})
    for value in (0.5, 0.25):
        made.clear("s0", {})
        log = made.open("s0", {})
        log.write([Point("training/loss", 10, value)])
        log.close()
    events = EventAccumulator(str(tmp_path / "s0"))
    events.Reload()
    assert [one.value for one in events.Scalars("training/loss")] == [0.25] and made.holds("s0", {})


def test_it_loads_no_torch():
    code = "import nanocl.loggers.tensorboard, sys; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
