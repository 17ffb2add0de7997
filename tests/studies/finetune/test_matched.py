"""Arms are compared at the accuracy on the new task that both reach."""

import itertools
import math
from dataclasses import replace

import pytest
from made_sweeps import RATES, one_seed, point

from nanocl.studies.finetune import matched


def test_a_reading_is_the_most_of_the_old_task_that_is_kept_at_that_accuracy():
    points = [
        point(1e-4, 0.2, 0.9, drift=1.0),
        point(1e-3, 0.6, 0.7, drift=4.0),
        point(1e-2, 0.5, 0.1),
    ]
    assert matched.reading(points, 0.1) == matched.Reading(0.2, 0.9, 1.0)
    halfway = matched.reading(points, 0.4)
    assert (halfway.new, halfway.old, halfway.drift) == pytest.approx((0.4, 0.8, 2.0))
    assert matched.reading(points, 0.6).old == 0.7 and matched.reading(points, 0.61) is None


def test_a_reading_agrees_with_a_fine_walk_along_the_sweep():
    points = [
        point(1e-4 * 3**k, 0.5 + 0.3 * math.sin(k), 0.8 - 0.3 * math.cos(2 * k)) for k in range(6)
    ]
    for target in (0.25, 0.4, 0.55, 0.7):
        walk = [
            (a.new + s / 5000 * (b.new - a.new), a.old + s / 5000 * (b.old - a.old))
            for a, b in itertools.pairwise(points)
            for s in range(5001)
        ]
        slow = max(old for new, old in walk if new >= target)
        assert matched.reading(points, target).old == pytest.approx(
            slow, abs=1e-3
        )  # a step of the walk is below that


def test_lines_join_the_rates_of_one_curve_only_and_a_diverged_run_is_no_place():
    apart = [point(1e-3, 0.2, 0.9, curve="strength=1"), point(1e-3, 0.6, 0.5, curve="strength=9")]
    assert matched.reading(apart, 0.4).old == 0.5
    gone = [point(1e-3, 0.2, 0.9), replace(point(1e-2, 0.0, 0.0), new=None, old=None, drift=None)]
    assert matched.best(gone) == 0.2 and matched.largest_rate(gone, RATES) == 1e-3
    assert matched.reading(gone, 0.3) is None
    assert matched.best(gone[1:]) is None


def test_the_largest_rate_is_the_largest_one_near_the_best():
    points = [
        point(1e-4, 0.70, 0.9),
        point(1e-3, 0.72, 0.8),
        point(1e-2, 0.705, 0.7),
        point(1e-1, 0.6, 0.6),
    ]
    assert (
        matched.largest_rate(points, (1e-3, 1e-2, 1e-1)) == 1e-2
        and matched.largest_rate(points, (1e-1,)) is None
    )


def test_rates_that_only_one_arm_ran_say_nothing_about_tolerance():
    wide = (point(1e-3, 0.7, 0.9), point(1e-2, 0.7, 0.9), point(1e-1, 0.7, 0.9))
    assert matched.rate_ratio({0: wide}, {0: wide[:2]}) == (0.0,)
    narrow = (wide[0], point(1e-2, 0.5, 0.9), point(1e-1, 0.5, 0.9))
    assert matched.rate_ratio({0: wide}, {0: narrow}) == pytest.approx((math.log(100),))


def test_arms_pair_seed_by_seed_at_the_accuracy_that_both_reach():
    first = {0: one_seed(0.1), 1: one_seed(0.1), 7: one_seed()}
    second = {0: one_seed(), 1: one_seed()[:2]}
    assert matched.old_difference(first, second) == pytest.approx((10.0, 10.0), abs=1.0)
    assert matched.new_difference(first, second)[1] == pytest.approx(10.0, abs=1.0)
    assert matched.rate_ratio(first, second) == pytest.approx((0.0,))
    assert matched.drift_ratio(first, first) == (0.0, 0.0, 0.0)
