"""A reading with the backbone at rate 0 is one of head and norms alone."""

from dataclasses import replace

import pytest
from made_sweeps import a_sweep, point

from nanocl.studies import rules
from nanocl.studies.finetune import fronts, measures

NAMES = ("nanoadam", "adamw-dense")
SEEDS = range(10)


def arm(old, head_rates=(1e-3, 1e-2), at_zero=0.85):
    """An arm that may leave its backbone at rate 0, which keeps `at_zero` of the old task."""
    settings = []
    for head in head_rates:
        settings.append(point(0.0, 0.8, at_zero, dense_lr=head))
        settings.append(point(1e-3, 0.8, old, dense_lr=head))
    return tuple(settings)


def compared(first, second, measure=measures.OLD):
    """The comparison of two arms, given by the settings of every seed."""
    sides = dict(zip(NAMES, (first, second), strict=True))
    arms = {name: dict(enumerate(rows)) for name, rows in sides.items()}
    sweep = replace(a_sweep(), arms=arms)
    return measure.setting(sweep, fronts.levels(sweep), *NAMES)


def test_an_arm_that_never_trains_the_backbone_is_not_judged():
    """The rival ruins the old task at every rate that it trains with, and hides it at rate 0."""
    made = compared([arm(0.86)] * 10, [arm(0.3)] * 10)
    assert made.edge == "adamw-dense leaves the backbone at rate 0 in every seed"
    found = rules.finding(made, measures.OLD.quantity("x"))
    assert found.state == rules.OPEN and abs(found.mean) < 2
    trained = compared([arm(0.86)] * 10, [arm(0.86)] * 10)
    assert rules.finding(trained, measures.OLD.quantity("x")).state == rules.EQUAL


def test_with_the_backbone_trained_no_reading_at_rate_0_counts():
    """The rival that ruins the old task at every rate loses, however little it hides at rate 0."""
    moving = replace(measures.OLD, moving=True)
    low = point(1e-4, 0.1, 0.9)  # too low a rate to learn the new task
    made = compared([(low, *arm(0.86))] * 10, [(low, *arm(0.3))] * 10, moving)
    assert list(made.values.values()) == pytest.approx([56] * 10)
    assert not made.edge and "rate 0" not in made.note
    at_lowest = compared([arm(0.86)] * 10, [arm(0.3)] * 10, moving)
    assert at_lowest.edge == (
        "nanoadam at an end of its rates in 10 seeds, adamw-dense at an end of its rates in 10 "
        "seeds"
    )


def test_the_note_counts_the_seeds_with_a_resting_backbone():
    first = [arm(0.86 if seed < 6 else 0.3) for seed in SEEDS]
    second = [arm(0.86 if seed < 7 else 0.3) for seed in SEEDS]
    made = compared(first, second)
    assert not made.edge
    note = "backbone at rate 0: nanoadam in 4 seeds, adamw-dense in 3 seeds, both in 3"
    assert made.note.startswith(note)


def test_a_reading_at_the_lowest_of_several_head_rates_is_counted():
    # of equal settings the first is read, which has the lowest head rate
    made = compared([arm(0.86)] * 10, [arm(0.86, head_rates=(1e-2,))] * 10)
    assert made.note == "lowest head rate: nanoadam in 10 seeds"


def test_a_reading_at_the_largest_rate_is_counted():
    best = (point(1e-4, 0.6, 0.9), point(1e-3, 0.8, 0.7))
    made = compared([best] * 10, [best[::-1]] * 10, measures.NEW)
    assert made.note == "largest rate: nanoadam in 10 seeds, adamw-dense in 10 seeds"


def test_arms_without_a_rate_of_0_have_no_such_notes():
    sweep = a_sweep()
    made = measures.OLD.setting(sweep, fronts.levels(sweep), "nanoadam", "adamw")
    assert made.note == "" and made.edge == ""


def test_a_tolerated_rate_is_not_measured_with_one_rate_in_common():
    made = compared([arm(0.86)] * 10, [arm(0.86)] * 10, measures.RATE)
    assert made.missing == "the arms have fewer than 2 rates in common"
