"""Which experiences are tested changes no number that is measured, and no weight."""

import pytest
import torch

from nanocl.records.measuring import Measuring
from nanocl.strategies.er import ER
from nanocl.strategies.ewc import EWC
from nanocl.testing import run, small_learner, small_stream


def outcome(scenario, strategies, evaluate):
    stream = small_stream(scenario)
    learner = small_learner(stream, strategies())
    learner.measuring = Measuring(evaluate)
    return run(learner, stream), learner


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("strategies", [lambda: [ER(memory_size=6)], lambda: [EWC()]])
@pytest.mark.parametrize("evaluate", ["seen", "last", "every:2"])
def test_the_tested_cells_are_those_of_a_run_that_tests_all(scenario, strategies, evaluate):
    whole, one = outcome(scenario, strategies, "all")
    part, other = outcome(scenario, strategies, evaluate)
    assert part.initial == whole.initial and part.drift == whole.drift
    for name in ("evaluation", "masked"):
        rows = zip(getattr(part, name), getattr(whole, name), strict=True)
        for trained, (row, full) in enumerate(rows):
            tested = Measuring(evaluate).tests(trained, 3)
            assert None not in full
            assert row == [full[j] if j in tested else None for j in range(3)]
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)
