"""Measures of networks that can be checked by hand."""

import numpy as np
import pytest

from nanocl.data.teachers import answers
from nanocl.studies.teacher_student import measures
from nanocl.studies.teacher_student.runs import run_of
from nanocl.studies.teacher_student.settings import Setting


def test_measures_of_a_network_that_can_be_checked_by_hand():
    start = run_of(Setting(samples=60, test_samples=50), "gd", 0).start
    tasks = start.tasks(1)
    (old_a, old_w), (new_a, new_w) = tasks.teachers
    before = old_w[:2], old_a
    exact = measures.measure(
        (np.vstack([old_w, 1e-3 * new_w[2:]]), np.append(old_a, new_a[2])),
        (new_w, new_a),
        tasks,
        own=False,
        reached=7,
        finite=True,
    )
    assert exact["loss_b"] < 1e-20 and exact["keep_a"] < 1e-20 and exact["steps"] == 7
    change = answers(tasks.test, new_a, new_w) - answers(tasks.test, old_a, old_w)
    assert exact["oldhead_a"] == pytest.approx(np.mean(change**2))
    assert exact["drift"] == pytest.approx(0.999**2 / 9) and exact["drift_kept"] == 0
    assert exact["preserved"] == 2 and exact["unchanged"] == 1 and exact["flips"] == 0
    assert exact["cosine"] == pytest.approx(1) and exact["match"] == pytest.approx(1)
    flipped = measures.measure(
        before, (old_w[:2], -old_a), tasks, own=False, reached=None, finite=True
    )
    assert (
        flipped["flips"] == 2
        and flipped["preserved"] == 0
        and flipped["drift"] == pytest.approx(8 / 6)
    )


def test_the_kept_neurons_are_the_fewest_that_reach_the_share():
    size = np.array([1.0, 5.0, 0.5, 3.5])
    assert measures.largest(size, 0.95).tolist() == [1, 3, 0] and measures.largest(
        size, 0.85
    ).tolist() == [1, 3]
    assert (
        measures.preserved(size, np.array([1.0, 0.0, 1.0, 1e-7])) == 2
        and measures.preserved(size, np.zeros(4)) == 4
    )
