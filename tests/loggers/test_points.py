"""The curves over experiences are the numbers of the record and of the tables."""

import pytest
from digits_records import LEARNERS, results
from making import INITIAL, MATRIX, a_result

from nanocl.loggers import points
from nanocl.reporting.metrics import columns
from nanocl.reporting.summaries import summarise


def curves(result, **values):
    named = {}
    for point in points.of(result, **values):
        assert point.step not in named.setdefault(point.name, {}), "one point a step"
        named[point.name][point.step] = point.value
    return named


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_last_point_of_each_metric_is_the_number_in_the_table(learner):
    run = next(one for one in results() if one.spec.strategy_name == learner)
    (row,) = summarise([run])
    costs = {column.name for column in columns("cost")}
    table = {
        name: value
        for name, (value,) in row.columns.items()
        if value is not None and name not in costs
    }
    assert {"average_accuracy", "backbone.l2", "masked_accuracy"} <= table.keys()
    named = curves(run)
    last = {name: steps[5] for name, steps in named.items() if "/" not in name}
    assert last == table


def test_every_test_of_the_record_is_a_point():
    run = results().filter(strategy="er", seed=0)[0]
    named = curves(run)
    for j in range(5):
        curve = {0: run.initial[j]}
        curve |= {i: row[j] for i, row in enumerate(run.evaluation, 1) if row[j] is not None}
        assert named[f"accuracy/experience_{j + 1}"] == curve
        masked = {i + 1: run.masked["evaluation"][i][j] for i in range(j, 5)}
        assert named[f"masked_accuracy/experience_{j + 1}"] == masked


def test_a_metric_after_an_experience_is_that_of_the_experiences_met_so_far():
    named = curves(a_result())
    assert named["average_accuracy"] == pytest.approx(
        {1: MATRIX[0][0], 2: (0.7 + 0.8) / 2, 3: (0.5 + 0.6 + 0.7) / 3}
    )
    assert named["forgetting"] == pytest.approx({2: 0.9 - 0.7, 3: (0.4 + 0.2) / 2})
    assert named["backbone.l2"] == {1: 1.0, 2: 2.0, 3: 3.0}
    assert named["backbone.path_length"] == {1: 2.0, 2: 4.0, 3: 6.0}


def test_a_run_that_diverged_has_the_points_before():
    named = curves(a_result(evaluation=MATRIX[:2], status="diverged"))
    assert named["average_accuracy"] == pytest.approx({1: 0.9, 2: 0.75})
    assert named["accuracy/experience_3"] == {0: INITIAL[2], 1: 0.1, 2: 0.2}


def test_losses_are_named_so():
    named = curves(a_result(measure="loss"))
    assert named["loss/experience_2"] == {0: 0.2, 1: 0.2, 2: 0.8, 3: 0.6}


def test_earlier_experiences_can_be_left_out():
    whole, rest = curves(a_result()), curves(a_result(), first=3)
    assert rest == {name: {3: steps[3]} for name, steps in whole.items() if 3 in steps}
