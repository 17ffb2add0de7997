"""What a board can tell apart: by hand, from the literature, and by simulation."""

import math

import numpy as np
import pytest

from nanocl.reporting import discriminability, pairs, statistics

# Shrout and Fleiss, 1979, table 2: 6 targets, each rated by 4 judges
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]],
    dtype=float,
)


def test_the_intraclass_correlation_is_that_of_shrout_and_fleiss():
    assert discriminability.intraclass_correlation(RATINGS) == pytest.approx(0.71, abs=0.005)
    # their table 3: mean squares 11.24 between targets and 1.02 residual
    assert discriminability.residual_deviation(RATINGS) == pytest.approx(math.sqrt(1.02), abs=0.003)
    by_hand = ((11.24 - 1.02) / 4) / ((11.24 - 1.02) / 4 + 1.02)
    assert discriminability.intraclass_correlation(RATINGS) == pytest.approx(by_hand, abs=0.002)


def test_residuals_by_hand_are_what_row_and_seed_do_not_explain():
    # rows 0 and 10, seeds +0, +1, +2, and one disturbance of 6 in the last cell
    table = np.array([[0.0, 1.0, 2.0], [10.0, 11.0, 18.0]])
    # its residuals are 6 times (1/6, 1/6, -1/3) in the first row, and the opposite in the second
    squares = 2 * (1 + 1 + 4)
    assert discriminability.residual_deviation(table) == pytest.approx(math.sqrt(squares / 2))


def test_rows_that_differ_less_than_their_residuals_have_a_correlation_of_0():
    assert discriminability.intraclass_correlation(np.array([[0.0, 1, 2], [2, 1, 0]])) == 0.0
    assert discriminability.intraclass_correlation(np.ones((3, 4))) == 0.0


def test_rows_that_seeds_do_not_blur_have_a_correlation_of_1():
    table = np.arange(3.0)[:, None] + np.array([0.0, 5, 10, 15])
    assert discriminability.intraclass_correlation(table) == pytest.approx(1.0)


def test_d_is_the_share_of_separable_pairs():
    p_values = np.array([[1, 0.01, 0.2], [0.01, 1, 0.049], [0.2, 0.049, 1]])
    table = np.random.default_rng(0).normal(0, 1, (3, 8)) + np.array([[1.0], [9.0], [4.0]])
    power = discriminability.of(table, p_values)
    assert (power.separable, power.pairs, power.share) == (2, 3, 2 / 3)
    assert power.largest == pytest.approx(np.ptp(table.mean(axis=1)))


@pytest.mark.parametrize(("separable", "ranks"), [(2, False), (3, True)])
def test_a_board_ranks_its_rows_from_a_quarter_of_separable_pairs_on(separable, ranks):
    assert discriminability.Discriminability(separable, 12, 0.5, 1.0, 1.0, 1.0).ranks is ranks


@pytest.mark.parametrize("seeds", [8, 12])
def test_the_power_of_the_smallest_difference_is_80_percent_in_simulation(seeds):
    rng = np.random.default_rng(seeds)
    noise = rng.normal(0, 2.0, (300, 6, seeds))
    smallest = np.mean([discriminability.smallest_difference(table) for table in noise[:60]])
    separated = []
    for table in noise:
        table[0] += smallest  # five pairs with this difference
        separated += (pairs.p_values(table)[0, 1:] < statistics.LEVEL).tolist()
    # later steps of the procedure have lower bars, so it is rather above
    assert 0.77 <= np.mean(separated) <= 0.87


def test_more_seeds_separate_smaller_differences():
    noise = np.random.default_rng(3).normal(0, 1, (6, 40))
    few, many = (discriminability.smallest_difference(noise[:, :n]) for n in (10, 40))
    assert many < 0.5 * few


def test_a_board_whose_rows_only_ever_differ_by_the_same_number_has_a_finite_power_line():
    equal = np.zeros((2, 8)) + np.arange(8.0)
    assert discriminability.smallest_difference(equal) == 0.0
    # every flip that undoes the signs makes t infinite
    alternating = np.array([[1.0, -1.0] * 3, [0.0] * 6])
    assert math.isfinite(discriminability.smallest_difference(alternating))
