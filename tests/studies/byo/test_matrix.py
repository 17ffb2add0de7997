"""The matrix of a sequence in which tasks may be trained again."""

import math

import numpy as np
import pytest

from nanocl.reporting import metrics
from nanocl.reporting.columns import Evaluation
from nanocl.studies.byo.matrix import TaskMatrix, matrix_of


def a_matrix(rows, trained, *, names="ab", measure="accuracy"):
    numbers = tuple(range(1, len(rows) + 1))
    rows = tuple(map(tuple, rows))
    return TaskMatrix(tuple(names), tuple(trained), numbers, (0.0,) * len(names), rows, measure)


@pytest.mark.parametrize("measure", ["accuracy", "loss"])
def test_without_a_task_trained_again_the_metrics_are_those_of_streams(measure):
    rows = np.random.default_rng(0).random((4, 4)).tolist()
    found = a_matrix(rows, "abcd", names="abcd", measure=measure)
    evaluation = Evaluation((), tuple(map(tuple, rows)), measure)
    assert found.average() == pytest.approx(metrics.average_accuracy(evaluation))
    assert found.forgetting() == pytest.approx(metrics.forgetting(evaluation))


def test_a_task_trained_again_counts_once_and_not_as_forgotten():
    found = a_matrix([(0.9, 0.1), (0.3, 0.8), (0.7, 0.5)], "aba")
    assert found.average() == pytest.approx(0.6) and found.forgetting() == pytest.approx(0.3)
    assert found.labels() == ["after a", "after b", "after a (training 3)"]


def test_a_last_training_of_a_task_that_is_not_kept_counts_for_all_tasks():
    found = a_matrix([(0.9, 0.1), (0.3, 0.8), (0.2, 0.5)], "abx")
    assert found.forgetting() == pytest.approx((0.7 + 0.3) / 2)


def test_a_result_that_is_no_number_makes_no_metric():
    found = a_matrix([(math.nan, 0.1), (0.3, 0.8)], "ab")
    assert math.isnan(found.forgetting()) and found.average() == pytest.approx(0.55)
    assert math.isnan(a_matrix([(0.9,)], "a", names="a").forgetting())


def test_trainings_that_did_not_end_have_no_row_and_keep_their_number():
    kept = {"a": {"accuracy": 0.5}, "b": {"accuracy": 0.25}}
    trainings = [
        {"task": task, "status": status, "points": [{"keep": kept}]}
        for task, status in (("a", "ok"), ("b", "interrupted"), ("b", "ok"), ("a", "ok"))
    ]
    found = matrix_of({"spec": {"keep": ["a", "b"]}, "trainings": trainings})
    assert found.labels() == ["after a", "after b", "after a (training 4)"]
    assert found.rows == ((0.5, 0.25),) * 3
