from dataclasses import replace

import pytest
import small_runs
from making import a_spec

from nanocl.boards import defined
from nanocl.records import UserError


@pytest.fixture
def measured():
    return replace(small_runs.spec("adamw", stream="split-digits"), data="f" * 16)


def test_a_run_of_the_present_protocol_is_current_with_any_data(measured):
    assert defined.is_current(measured)
    assert defined.like(defined.runs(measured)[0], measured).data == "f" * 16


def test_a_run_of_another_protocol_of_the_name_is_not(measured):
    training = replace(measured.training, epochs=measured.training.epochs + 1)
    assert not defined.is_current(replace(measured, training=training))
    assert not defined.is_current(a_spec(protocol="my-own"))


def test_the_runs_are_those_of_the_protocol_at_its_tier(measured):
    runs = defined.runs(measured)
    assert {run.tier for run in runs} == {"smoke"} and len(runs) > 1
    assert [run.strategy_name for run in defined.runs(measured, ("lwf",))] == ["lwf"]
    with pytest.raises(UserError, match="scenario must be one of"):
        defined.runs(replace(measured, scenario="none"))
