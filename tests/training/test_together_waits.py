"""On a GPU a group of seeds lets the host wait as rarely as one seed, and has the same numbers."""

from collections import Counter

import pytest
from together_runs import assert_equal_to_rounding, members, train_alone
from waits import DEVICE, Waits

from nanocl.data.resident import Resident
from nanocl.training import together


def waits(strategy, samples, kind):
    with Waits() as mode:
        runs = members(strategy, kind=kind, samples=samples, device=DEVICE)
        for run in runs:
            run.learner.resident = Resident(DEVICE, free=None)
        together.train(runs)
    return mode.counts


@pytest.mark.parametrize("kind", ["class", "task"])
@pytest.mark.parametrize("strategy", ["sgd", "torch:RMSprop"])
def test_no_step_of_a_group_lets_the_host_wait(strategy, kind):
    few, many = (waits(strategy, samples, kind) for samples in ((8, 12, 8), (16, 24, 16)))
    assert sum(few.values()) > 0 and many - few == Counter()


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["class", "task", "domain"])
@pytest.mark.parametrize("strategy", ["adamw", "sgd", "nanoadam"])
def test_on_a_gpu_each_seed_has_the_weights_it_has_alone(strategy, kind):
    ours, alone = (members(strategy, kind=kind, device="cuda") for _ in range(2))
    together.train(ours)
    train_alone(alone)
    assert_equal_to_rounding(ours, alone)
