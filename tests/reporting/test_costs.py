"""Columns of the cost: CPU seconds always, wall-clock seconds of quiet runs only."""

import dataclasses

import pytest
from making import a_cost

from nanocl.reporting import costs
from nanocl.reporting.columns import Undefined


def test_cpu_seconds_per_step_are_cpu_seconds_over_steps():
    assert costs.cpu_seconds_per_step(a_cost(cpu_seconds=8.0, steps=400)) == 0.02


def test_a_record_without_cpu_seconds_has_no_number_instead_of_zero():
    for column in (costs.cpu_seconds, costs.cpu_seconds_per_step):
        with pytest.raises(Undefined, match=r"CPU seconds of training.* not measured"):
            column(a_cost())


@pytest.mark.parametrize(
    "column", [costs.train_seconds, costs.seconds_per_step, costs.samples_per_second]
)
def test_wall_clock_times_are_those_of_runs_that_were_alone(column):
    assert column(a_cost(workers=1)) > 0
    with pytest.raises(Undefined, match="--workers 1"):
        column(a_cost(workers=2))
    assert column.optional  # a table in which no row has it leaves it out


def test_cpu_seconds_of_a_thousand_samples_are_those_of_runs_that_were_alone():
    cost = a_cost(cpu_seconds=8.0, steps=400)
    assert costs.cpu_seconds_per_thousand_samples(cost, 50) == pytest.approx(8.0 / 20)
    with pytest.raises(Undefined, match="no other run"):
        costs.cpu_seconds_per_thousand_samples(a_cost(cpu_seconds=8.0, workers=2), 50)
    with pytest.raises(Undefined, match="not measured"):
        costs.cpu_seconds_per_thousand_samples(a_cost(), 50)


@pytest.mark.parametrize(
    "column",
    [
        *(costs.train_seconds, costs.seconds_per_step, costs.samples_per_second),
        *(costs.cpu_seconds, costs.cpu_seconds_per_step, costs.peak_memory, costs.device_memory),
    ],
)
def test_the_share_of_a_seed_in_a_group_is_not_shown_as_the_cost_of_its_strategy(column):
    alone = a_cost(cpu_seconds=8.0, device_memory_bytes=9)
    assert column(alone) > 0
    with pytest.raises(Undefined, match="--vectorize off"):
        column(dataclasses.replace(alone, together=5))


def test_the_state_of_a_seed_in_a_group_is_its_own():
    assert costs.optimizer_state(a_cost(together=5)) == costs.optimizer_state(a_cost())
