import dataclasses

import pytest
import small_runs

from nanocl.boards import rerun
from nanocl.protocols.pinning import pin
from nanocl.records import UserError
from nanocl.training.context import Context
from nanocl.training.experiment import run_one


@pytest.fixture(scope="module")
def measured():
    (spec,) = pin([small_runs.spec("sgd")], None)
    return run_one(spec, Context())


def elsewhere(result, **facts):
    return dataclasses.replace(result, environment=dataclasses.replace(result.environment, **facts))


def with_first(result, value):
    row, *others = result.evaluation
    return dataclasses.replace(result, evaluation=((value, *row[1:]), *others))


def test_a_run_is_repeated_bit_for_bit_on_the_same_machine(measured):
    assert rerun.rerun(measured) == ([], "bit for bit")


def test_a_difference_in_the_last_bit_is_found_on_the_same_machine(measured):
    value = measured.evaluation[0][0]
    lines, _ = rerun.rerun(with_first(measured, value * (1 - 2**-52)))
    (line,) = lines
    assert "1 of" in line and "numbers of evaluation differ" in line


def test_on_another_cpu_numbers_are_compared_within_a_tolerance_that_is_said(measured):
    there = elsewhere(measured, processor="another CPU")
    value = measured.evaluation[0][0]
    lines, how = rerun.rerun(with_first(there, value - rerun.TOLERANCE / 2))
    assert lines == [] and "within 0.05, because processor is" in how and "another CPU" in how
    lines, _ = rerun.rerun(with_first(there, value - 2 * rerun.TOLERANCE))
    assert "numbers of evaluation differ" in lines[0]


def test_a_run_that_was_trained_as_one_model_with_others_is_equal_to_rounding(measured):
    cost = dataclasses.replace(measured.cost, together=3)
    rounded = dataclasses.replace(measured, cost=cost)
    value = measured.evaluation[0][0]
    lines, how = rerun.rerun(with_first(rounded, value * (1 - 1e-9)))
    assert lines == [] and how.endswith("because 3 seeds were trained as one model")


def test_the_cheapest_run_is_repeated(measured):
    cost = dataclasses.replace(measured.cost, train_seconds=measured.cost.train_seconds * 2)
    slow = dataclasses.replace(measured, cost=cost)
    assert rerun.cheapest([slow, measured]) is measured


def test_a_run_with_a_users_plugin_is_not_chosen_where_another_can_be_repeated(measured):
    (part,) = measured.spec.strategy
    user = dataclasses.replace(measured.spec, strategy=(dataclasses.replace(part, plugin="abc"),))
    cost = dataclasses.replace(measured.cost, train_seconds=0.0)
    fast = dataclasses.replace(measured, spec=user, cost=cost)
    assert rerun.cheapest([fast, measured]) is measured and rerun.cheapest([fast]) is fast


def test_a_user_plugin_and_other_data_cannot_be_repeated(measured):
    (part,) = measured.spec.strategy
    user = dataclasses.replace(measured.spec, strategy=(dataclasses.replace(part, plugin="abc"),))
    other = dataclasses.replace(measured.spec, data="0" * 16)
    for spec, words in ((user, "user's plugin"), (other, "the data here has fingerprint")):
        with pytest.raises(UserError, match=words):
            rerun.rerun(dataclasses.replace(measured, spec=spec))
