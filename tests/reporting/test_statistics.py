import itertools
import math
import random

import numpy as np
import pytest
from scipy import stats

from nanocl.reporting import statistics


def brute_force_p_value(differences):
    """Share of sign patterns whose mean is at least as far from 0."""
    seen = abs(math.fsum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    far = sum(
        abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True))) >= seen - 1e-12
        for signs in patterns
    )
    return far / len(patterns)


def test_mean_deviation_and_t_interval_equal_a_textbook_example():
    values = [4.0, 5.0, 6.0, 9.0]
    assert statistics.mean(values) == 6.0
    assert statistics.deviation(values) == pytest.approx(math.sqrt(14 / 3))
    half = 3.182446305 * math.sqrt(14 / 3) / 2  # t(0.975, 3 degrees of freedom) from the tables
    assert statistics.interval(values) == pytest.approx((6 - half, 6 + half))


def test_one_value_has_a_mean_and_no_spread_and_none_is_an_error():
    assert statistics.mean([0.5]) == 0.5
    assert statistics.deviation([0.5]) is None and statistics.interval([0.5]) is None
    with pytest.raises(ValueError, match="at least 1 value"):
        statistics.mean([])


@pytest.mark.parametrize("n", [3, 25])
def test_equal_values_have_no_width(n):
    assert statistics.deviation([0.25] * n) == 0.0
    assert statistics.interval([0.25] * n) == (0.25, 0.25)


@pytest.mark.parametrize("n", [2, 7, 19, 20, 33])
def test_the_interval_is_students_t_for_any_number_of_values(n):
    values = np.random.default_rng(n).normal(0, 1, n)
    error = values.std(ddof=1) / math.sqrt(n)
    expected = stats.t.interval(0.95, n - 1, values.mean(), error)
    assert statistics.interval(values.tolist()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 99, 1000, 4999])
def test_the_quantile_of_student_is_that_of_scipy(freedom):
    ours = statistics.t_quantile(freedom)
    assert ours == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-13)


@pytest.mark.parametrize("n", [3, 10, 20])
def test_95_of_100_intervals_hold_the_mean(n):
    samples = np.random.default_rng(n).normal(5.0, 2.0, (4000, n)).tolist()
    intervals = [statistics.interval(sample) for sample in samples]
    share = np.mean([low <= 5.0 <= high for low, high in intervals])
    assert abs(share - 0.95) < 0.011  # 3.2 standard errors


def test_the_interval_stays_within_the_possible_range():
    values = [0.99, 0.995, 0.91, 0.999]
    low, high = statistics.interval(values)
    assert high > 1.0
    assert statistics.interval(values, (0.0, 1.0)) == (low, 1.0)
    assert statistics.interval([0.0, 0.02], (0.0, 1.0))[0] == 0.0


@pytest.mark.parametrize("n", range(3, 11))
def test_the_paired_test_equals_brute_force_over_all_sign_patterns(n):
    rng = random.Random(n)
    for shift in (0.0, 0.5, 3.0):
        differences = [rng.gauss(shift, 1.0) for _ in range(n)]
        assert statistics.sign_flip_p_value(differences) == pytest.approx(
            brute_force_p_value(differences)
        )


def test_the_paired_test_counts_ties_and_zeros_as_brute_force_does():
    for differences in ([1.0, 1.0, 1.0, -1.0], [0.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.0]):
        assert statistics.sign_flip_p_value(differences) == pytest.approx(
            brute_force_p_value(differences)
        )


def test_differences_of_one_sign_reach_the_smallest_p_value_there_is():
    for n in (3, 6, 10):
        assert statistics.sign_flip_p_value([1.0 + i for i in range(n)]) == 2 / 2**n


def test_from_6_seeds_on_a_test_can_reach_the_level():
    n = statistics.FEWEST_TESTED
    assert 2.0 ** (1 - n) <= statistics.LEVEL < 2.0 ** (2 - n)


def test_many_seeds_are_tested_with_random_patterns_repeatably():
    differences = [0.5 + (-1) ** i for i in range(30)]
    p = statistics.sign_flip_p_value(differences)
    assert p == statistics.sign_flip_p_value(differences)
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.005)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_3_seeds_are_not_tested(n):
    with pytest.raises(ValueError, match=f"at least 3 seeds in common, got {n}"):
        statistics.sign_flip_p_value([1.0] * n)


def test_pairs_are_made_over_the_seeds_that_both_have():
    assert statistics.paired({0: 1.0, 2: 5.0, 3: 7.0}, {3: 1.0, 2: 2.0, 9: 0.0}) == (3.0, 6.0)


def test_rows_far_apart_have_certain_ranks_and_equal_rows_share_theirs():
    low, middle, high = np.array([[0.1], [0.5], [0.9]]) + 0.01 * np.arange(6)
    ranks = statistics.rank_intervals
    assert ranks(np.stack([low, high, middle])) == [(3, 3), (1, 1), (2, 2)]
    assert ranks(np.stack([low, high, middle]), higher=False) == [(1, 1), (3, 3), (2, 2)]
    assert ranks(np.stack([high, high])) == [(1, 1), (1, 1)]


def test_a_difference_that_all_seeds_share_is_not_blurred_by_what_differs_between_seeds():
    first = 10.0 * np.arange(6)
    assert statistics.rank_intervals(np.stack([first - 0.1, first])) == [(2, 2), (1, 1)]


def test_rows_that_change_places_between_seeds_have_wide_rank_intervals():
    table = np.array([[1.0, 0.0] * 3, [0.0, 1.0] * 3])
    assert statistics.rank_intervals(table) == [(1, 2), (1, 2)]


@pytest.mark.parametrize("higher", [True, False])
def test_ranks_of_draws_equal_those_of_scipy(higher):
    means = np.random.default_rng(0).integers(0, 6, (7, 50)) / 4
    ranks = [statistics._ranks_of(row, means, higher) for row in means]
    expected = stats.rankdata(-means if higher else means, method="min", axis=0)
    np.testing.assert_array_equal(ranks, expected)


@pytest.mark.parametrize("n", [3, 4, 25])
def test_the_line_equals_that_of_scipy(n):
    rng = np.random.default_rng(n)
    xs, ys = rng.normal(0, 1, n).tolist(), rng.normal(0, 1, n).tolist()
    expected = stats.linregress(xs, ys)
    half = stats.t.ppf(0.975, n - 2) * expected.stderr
    assert statistics.line(xs, ys) == pytest.approx((expected.slope, half), rel=1e-10)


@pytest.mark.parametrize("xs", [[1.0, 2.0], [1.0, 1.0, 1.0]])
def test_a_line_needs_three_points_at_different_places(xs):
    with pytest.raises(ValueError, match="at least 3 points at different x"):
        statistics.line(xs, xs)
