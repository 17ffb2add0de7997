"""On a GPU the host waits a fixed number of times an epoch, however many steps the epoch has."""

import warnings
from collections import Counter

import pytest
import torch
from waits import DEVICE, Waits

from nanocl.data.resident import Resident
from nanocl.optim import _base
from nanocl.plugins.catalogue import INSTALLED
from nanocl.testing import run, small_learner, small_stream

STRATEGIES = ["sgd", "er", "derpp", "a-gem", "lwf", "ewc", "si"]
PLAIN = ["nanoadam", "microadam", "mofo", "cautious-adamw", "classp", "lift", "lora", "pafi"]


def small(strategy, *, samples, scenario, device=DEVICE):
    """A learner and a stream with that many samples per class."""
    stream = small_stream(scenario, samples=samples, experiences=2)
    part = INSTALLED.complete("strategies", strategy, {})
    made = [INSTALLED.make("strategies", part)]
    learner = small_learner(stream, made, epochs=1, batch_size=4, device=device)
    learner.eval_mb_size = 4
    return learner, stream


def waits(strategy, *, free=None, **options):
    """How often the host waits in a run on a device with that many bytes of memory."""
    learner, stream = small(strategy, **options)
    learner.resident = Resident(DEVICE, free=free)
    with Waits() as mode:
        run(learner, stream)
    return mode.counts


def added(strategy, scenario, **options):
    """What twice as many training steps and mini-batches of evaluation add."""
    few, many = (waits(strategy, samples=count, scenario=scenario, **options) for count in (4, 8))
    assert sum(few.values()) > 0  # the epoch's loss and the experience's hits are read
    return many - few


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_step_lets_the_host_wait(strategy):
    assert added(strategy, "class") == Counter()


@pytest.mark.parametrize("strategy", sorted({*STRATEGIES} - {"a-gem"}))
def test_no_step_lets_the_host_wait_with_a_head_for_each_task(strategy):
    assert added(strategy, "task") == Counter()


@pytest.mark.parametrize("strategy", ["er", "derpp"])
def test_no_step_lets_the_host_wait_if_the_data_stays_there(strategy):
    assert added(strategy, "class", free=lambda: 0) == Counter()


@pytest.mark.parametrize(
    "strategy", [*PLAIN[:3], *(pytest.param(name, marks=pytest.mark.slow) for name in PLAIN[3:])]
)
def test_no_plain_step_of_an_optimizer_lets_the_host_wait(monkeypatch, strategy):
    # it refuses parameters without values
    monkeypatch.setattr(_base, "check_plain", lambda param, name: None)
    assert added(strategy, "class") == Counter()


def test_a_gem_reads_one_number_a_step_if_a_head_may_stay_without_gradient():
    # of the second experience, 2 steps more: in the first there is nothing to replay
    assert added("a-gem", "task") == Counter(item=2)


def reported(strategy, samples):
    """How often torch itself reports a wait for a real GPU."""
    learner, stream = small(strategy, samples=samples, scenario="class", device="cuda")
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(learner, stream)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(warning.message) for warning in caught)


@pytest.mark.gpu
@pytest.mark.parametrize("strategy", [*STRATEGIES, "adamw", "nanoadam"])
def test_torch_reports_no_wait_in_a_step_on_a_gpu(strategy):
    reported(strategy, 4)  # compiles kernels
    assert 0 < reported(strategy, 4) == reported(strategy, 8)
