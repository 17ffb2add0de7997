"""How many runs a machine takes, and what its GPUs are called."""

import pytest
import torch

from nanocl.records import UserError
from nanocl.training.devices import Devices, devices


@pytest.mark.parametrize(
    ("found", "runs_per_gpu", "workers"),
    [
        (Devices("cpu"), 1, 4),
        (Devices("cpu"), 3, 4),
        (Devices("cuda", ("0",)), 1, 1),
        (Devices("cuda", ("0",)), 4, 4),
        (Devices("cuda", ("0", "1")), 3, 6),
    ],
)
def test_a_machine_takes_a_run_for_each_core_or_so_many_for_each_gpu(found, runs_per_gpu, workers):
    assert found.workers(cores=8, threads=2, runs_per_gpu=runs_per_gpu) == workers


def test_a_machine_takes_a_run_of_more_threads_than_it_has_cores():
    assert Devices("cpu").workers(cores=2, threads=4, runs_per_gpu=1) == 1


@pytest.mark.parametrize(
    ("visible", "names"),
    [("", ("0", "1")), ("3, 5", ("3", "5")), ("GPU-a,GPU-b", ("GPU-a", "GPU-b"))],
)
def test_gpus_are_called_as_the_environment_calls_them(monkeypatch, visible, names):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices("cuda") == Devices("cuda", names)


def test_a_cpu_has_no_gpus():
    assert devices("cpu") == Devices("cpu")


def test_one_gpu_of_several_can_be_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert devices("cuda", 1) == Devices("cuda", ("5",))
    with pytest.raises(UserError, match="cuda:2: the GPUs here are 0 to 1"):
        devices("cuda", 2)
