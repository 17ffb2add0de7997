"""Columns of tests within experiences, computed by hand."""

import pytest

from nanocl.reporting import within
from nanocl.reporting.columns import Evaluation, Undefined


def point(experience, online, *row, samples=10):
    return {
        "experience": experience,
        "iteration": 1,
        "samples": samples,
        "online": online,
        "row": row,
    }


POINTS = (
    point(0, 0.2, 0.5),
    point(0, 0.8, 0.9, samples=30),
    point(1, 0.5, 0.3, 0.6),
    point(1, 0.7, 0.7, 0.8),
    point(2, 0.4, 0.6, 0.2, 0.5),
    point(2, 0.6, 0.5, 0.6, 0.7),
)
MATRIX = ((0.9, 0.0, 0.0), (0.7, 0.8, 0.0), (0.5, 0.6, 0.7))
RUN = Evaluation((0.1, 0.1, 0.1), MATRIX, tracking=POINTS)


def test_each_column_has_its_value_by_hand():
    assert within.online_accuracy(RUN) == pytest.approx(((2 + 24) / 40 + 0.6 + 0.5) / 3)
    lowest = (0.3 + 0.2) / 2
    assert within.lowest_accuracy(RUN) == pytest.approx(lowest)
    assert within.worst_case_accuracy(RUN) == pytest.approx(0.7 / 3 + 2 / 3 * lowest)
    assert within.stability_gap(RUN) == pytest.approx(((0.7 - 0.3) + (0.5 - 0.5) + (0.6 - 0.2)) / 3)


def test_experiences_that_the_weights_were_trained_on_before_have_no_tests_within():
    """As with `stream.start=1`: the first experience is only tested."""
    run = RUN._replace(tracking=POINTS[2:])
    assert within.online_accuracy(run) == pytest.approx((0.6 + 0.5) / 2)
    assert within.lowest_accuracy(run) == within.lowest_accuracy(RUN)
    assert within.worst_case_accuracy(run) == within.worst_case_accuracy(RUN)
    assert within.stability_gap(run) == within.stability_gap(RUN)


def test_for_losses_the_worst_is_the_largest():
    run = RUN._replace(measure="loss")
    assert within.lowest_accuracy(run) == pytest.approx((0.7 + 0.6) / 2)
    assert within.worst_case_accuracy(run) == pytest.approx(0.7 / 3 + 2 / 3 * 0.65)
    assert within.stability_gap(run) == pytest.approx(((0.7 - 0.7) + (0.6 - 0.5) + (0.6 - 0.6)) / 3)


@pytest.mark.parametrize(
    ("points", "words"),
    [((), "--track-every K makes them"), (POINTS[:4], "not every experience was trained")],
)
def test_without_the_tests_the_columns_are_undefined_with_the_reason(points, words):
    for column in (within.online_accuracy, within.lowest_accuracy, within.stability_gap):
        with pytest.raises(Undefined, match=words):
            column(RUN._replace(tracking=points))


def test_one_experience_has_no_earlier_one():
    run = Evaluation((0.1,), ((0.9,),), tracking=POINTS[:2])
    assert within.online_accuracy(run) == pytest.approx(0.65)
    with pytest.raises(Undefined, match="needs 2 experiences"):
        within.lowest_accuracy(run)
