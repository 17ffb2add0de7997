"""Seconds, memory and bytes of state are those of the run, and the record says where it ran."""

import time
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nanocl.training import measure
from nanocl.training.measure import Meter, tensor_bytes


def trained(optimizer, model):
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return optimizer


def test_only_the_time_inside_training_counts():
    meter = Meter()
    with meter.training():
        time.sleep(0.02)
        inside = meter.elapsed()
    after = meter.seconds
    time.sleep(0.02)
    assert 0.02 <= inside <= after and meter.elapsed() == after
    with meter.training():
        time.sleep(0.01)
    assert meter.seconds >= after + 0.01


def test_on_a_gpu_kernels_that_run_when_a_pause_begins_count_as_training(monkeypatch):
    """The wait for the kernels is played by a sleep: this needs no GPU."""
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: time.sleep(0.02))
    meter = Meter("cuda")
    with meter.training(), meter.paused():
        assert meter.seconds >= 0.02


def test_an_error_in_training_still_stops_the_clock():
    meter = Meter()
    with pytest.raises(ValueError), meter.training():
        raise ValueError
    assert meter.seconds == meter.elapsed()


def test_cpu_seconds_count_work_and_no_waiting():
    meter = Meter()
    with meter.training():
        time.sleep(0.2)
        waited = meter.state_dict()["cpu_seconds"]
        begin = time.process_time()
        while time.process_time() - begin < 0.1:
            pass
    assert waited < 0.1 and 0.1 <= meter.cpu_seconds < 0.2 + waited
    resumed = Meter()
    with resumed.training():
        resumed.load_state_dict(meter.state_dict())
    assert resumed.cpu_seconds >= meter.cpu_seconds


def test_learners_that_share_their_training_share_its_seconds():
    meter = Meter()
    begin = time.perf_counter()
    with meter.training(shared_by=4):
        time.sleep(0.1)
        inside = meter.elapsed()
    assert 0.1 / 4 <= inside <= meter.seconds <= (time.perf_counter() - begin) / 4
    with meter.training():
        time.sleep(0.1)
    assert meter.seconds >= 0.1 + 0.1 / 4
    resumed = Meter()
    resumed.load_state_dict(meter.state_dict())
    assert meter.together == resumed.together == 4


def test_costs_are_counts_per_step_second_and_parameter():
    model = nn.Linear(3, 4)
    model.bias.requires_grad_(False)
    optimizer = trained(torch.optim.Adam([model.weight]), model)
    meter = Meter()
    meter.seconds, meter.steps, meter.samples = 4.0, 8, 100
    held = types.SimpleNamespace(
        state_dict=lambda: {"fisher": {"weight": torch.zeros(5, dtype=torch.float64)}}
    )
    cost = meter.cost(model, optimizer, [held], workers=2)
    assert (cost.train_seconds, cost.seconds_per_step, cost.samples_per_second) == (4.0, 0.5, 25.0)
    assert cost.parameters == 12 and cost.workers == 2 and cost.device_memory_bytes == 0
    assert (
        cost.optimizer_state_bytes == 2 * 12 * 4 + 4
    )  # two moments in float32, and the step count
    assert cost.state_bytes_per_parameter == (2 * 12 * 4 + 4) / 12
    assert cost.strategy_state_bytes == 5 * 8


def test_a_run_without_steps_or_parameters_divides_by_nothing():
    cost = Meter().cost(
        nn.Identity(), torch.optim.SGD([torch.zeros(1, requires_grad=True)]), [], workers=1
    )
    assert (cost.seconds_per_step, cost.samples_per_second, cost.state_bytes_per_parameter) == (
        0.0,
        0.0,
        0.0,
    )


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (torch.zeros(3, dtype=torch.bfloat16), 6),
        ({"a": torch.zeros(2), "b": [torch.zeros(1), (torch.zeros(1),)]}, 16),
        ({"step": 3, "name": "x", "none": None}, 0),
        (torch.zeros(4)[:1], 4),
        (
            {
                "projector": types.SimpleNamespace(
                    matrix=torch.zeros(3), pair=[torch.zeros(1), 2], rank=8
                )
            },
            16,
        ),
    ],
)
def test_bytes_are_counted_over_nested_values(value, count):
    assert tensor_bytes(value) == count


HALF = 2**26  # half the bytes of the array below; the kernel counts in batches


def high_mark():
    """The mark while an array of 128 MiB is there, which then is gone."""
    before = np.ones(2**24)
    high = measure.peak_memory()
    del before
    return high


def mark_can_be_put_back():
    """Whether the system does so; some containers forbid it or do nothing."""
    high = high_mark()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return measure.peak_memory() < high - HALF


def test_peak_memory_is_that_since_the_meter_began():
    if not mark_can_be_put_back():
        pytest.skip("this system does not let the mark be put back")
    high = high_mark()
    Meter()
    assert measure.peak_memory() < high - HALF
    block = np.ones(2**23)
    resident = next(
        line for line in measure._STATUS.read_text().splitlines() if line.startswith("VmRSS")
    )
    assert (
        measure.peak_memory() >= int(resident.split()[1]) * 1024 - block.nbytes // 8
    )  # the kernel counts in batches


def test_the_environment_tells_versions_and_the_optional_libraries_in_use(monkeypatch):
    for package in measure.LIBRARIES:
        monkeypatch.delitem(measure.sys.modules, package.replace("-", "_"), raising=False)
    bare = measure.environment("cpu")
    assert (bare.torch, bare.device, bare.libraries) == (torch.__version__, "cpu", {})
    assert bare.threads == torch.get_num_threads() and bare.processor
    monkeypatch.setitem(measure.sys.modules, "timm", types.ModuleType("timm"))
    assert measure.environment("cpu").libraries == {"timm": version("timm")}
