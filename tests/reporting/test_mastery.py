"""Columns of streams trained until mastered, computed by hand."""

import math

import pytest

from nanocl.reporting import mastery
from nanocl.reporting.columns import Evaluation, Undefined

PAIRS = ((1, 2), (3, 4)) * 2
MATRIX = tuple((0.9 - 0.1 * i, 0.5, 0.4, 0.3) for i in range(4))


def entries(*steps, mastered=True):
    return tuple({"steps": count, "mastered": mastered} for count in steps)


RUN = Evaluation((0.25,) * 4, MATRIX, mastery=entries(120, 50, 40, 10), classes=PAIRS)


def test_each_column_has_its_value_by_hand():
    assert mastery.retention(RUN) == pytest.approx(0.8)
    assert mastery.final_retention(RUN) == pytest.approx(0.6)
    assert mastery.relearning_ratio(RUN) == 3
    assert mastery.mastered(RUN) == 1


def test_a_run_that_left_an_experience_unmastered_retains_nothing_and_has_no_ratio():
    failed = RUN._replace(mastery=(*RUN.mastery[:3], {"steps": 2500, "mastered": False}))
    assert mastery.retention(failed) == mastery.final_retention(failed) == 0
    assert mastery.mastered(failed) == 0
    with pytest.raises(Undefined, match="not mastered"):
        mastery.relearning_ratio(failed)


@pytest.mark.parametrize("is_mastered", [True, False])
def test_what_was_not_tested_is_undefined_whether_mastered_or_not(is_mastered):
    untested = tuple((math.nan, *row[1:]) for row in MATRIX[:3])
    run = RUN._replace(
        matrix=(*untested, MATRIX[3]), mastery=entries(120, 50, 40, 10, mastered=is_mastered)
    )
    with pytest.raises(Undefined, match="--evaluate all"):
        mastery.retention(run)
    assert mastery.final_retention(run) == pytest.approx(0.6 * is_mastered)


def test_a_run_that_trains_only_at_the_end_has_none_of_the_columns():
    late = RUN._replace(untrained=3, mastery=entries(0, 0, 0, 90, mastered=False))
    for column in (mastery.retention, mastery.final_retention, mastery.mastered):
        with pytest.raises(Undefined, match="not trained before experience 4"):
            column(late)


def test_relearning_needs_the_first_classes_again():
    new = RUN._replace(classes=((1, 2), (3, 4), (5, 6), (7, 8)))
    with pytest.raises(Undefined, match="do not come again"):
        mastery.relearning_ratio(new)


def test_experiences_of_a_fixed_length_have_none_of_the_columns():
    plain = RUN._replace(mastery=())
    for column in (
        mastery.retention,
        mastery.final_retention,
        mastery.relearning_ratio,
        mastery.mastered,
    ):
        assert column.optional
        with pytest.raises(Undefined, match=r"training\.until=end"):
            column(plain)
