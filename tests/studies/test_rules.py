"""The state of a setting follows from mean, interval and margin, alike in both directions."""

import math
from dataclasses import replace

import numpy as np
import pytest

from nanocl.reporting import statistics
from nanocl.studies import claims
from nanocl.studies.claims import Setting
from nanocl.studies.rules import (
    AGAINST,
    EQUAL,
    FOR,
    NOT_MEASURED,
    OPEN,
    decides,
    finding,
    log_ratios,
    state,
)

POINTS = claims.points("x - y")
RATIO = claims.ratio("x / y")


def seeds(mean, spread=1.0, count=10):
    return {seed: mean + spread * (-1) ** seed for seed in range(count)}


@pytest.mark.parametrize(
    ("mean", "interval", "wanted"),
    [
        (3.0, (1.0, 5.0), FOR),
        (3.0, (-0.1, 6.1), OPEN),
        (1.5, (0.5, 2.5), OPEN),
        (1.5, (1.1, 1.9), EQUAL),
        (0.0, (-1.9, 1.9), EQUAL),
        (0.0, (-2.0, 2.0), OPEN),
        (2.1, (0.1, 4.1), FOR),
        (3.0, (0.0, 6.0), OPEN),
    ],
)
def test_a_state_needs_both_the_interval_and_the_margin(mean, interval, wanted):
    mirror = {FOR: AGAINST, AGAINST: FOR}
    low, high = interval
    assert state(mean, interval, 2.0) == wanted
    assert state(-mean, (-high, -low), 2.0) == mirror.get(wanted, wanted)


def test_a_difference_that_is_not_significant_never_speaks_for_a_claim():
    wide = seeds(math.log(1 / 5.8), 3.8)  # 5.8 times as high, with 10 seeds
    found = finding(Setting("here", wide), RATIO)
    low, high = map(math.exp, found.interval)
    assert low < 1 < high and found.state == OPEN
    assert finding(Setting("here", {s: -v for s, v in wide.items()}), RATIO).state == OPEN


def test_mean_interval_and_p_value_are_those_of_the_seeds():
    values = dict(enumerate(np.random.default_rng(0).normal(3, 1, size=12).tolist()))
    found = finding(Setting("here", values), POINTS)
    assert found.mean == pytest.approx(np.mean([*values.values()]))
    assert found.interval == statistics.interval([*values.values()])
    assert found.p == statistics.sign_flip_p_value([*values.values()]) and found.state == FOR


def test_fewer_than_ten_seeds_and_edges_stay_open_and_fewer_than_three_measure_nothing():
    clear = Setting("here", seeds(9.0))
    assert decides(clear) and finding(clear, POINTS).state == FOR
    nine = replace(clear, values=seeds(9.0, count=9))
    edge = replace(clear, edge="a at an end of its rates in 1 seeds")
    for setting in (nine, edge):
        assert not decides(setting)
        found = finding(setting, POINTS)
        assert found.state == OPEN and found.mean > 8
    two = replace(clear, values=seeds(9.0, count=2))
    assert finding(two, POINTS).state == NOT_MEASURED
    missing = finding(replace(clear, missing="no records"), POINTS)
    assert missing.state == NOT_MEASURED and missing.mean is None


def test_an_exact_value_is_judged_by_the_margin_alone():
    states = [
        finding(Setting("here", exact=math.log(x)), RATIO).state for x in (1.3, 1.2, 0.9, 0.79)
    ]
    assert states == [FOR, EQUAL, EQUAL, AGAINST]


def test_the_spacing_of_a_grid_widens_the_interval():
    step = math.log(10 / 3)
    same = Setting("here", dict.fromkeys(range(10), step), resolution=step)
    found = finding(same, RATIO)
    assert found.interval == pytest.approx((0.0, 2 * step), abs=1e-12) and found.state == OPEN
    assert finding(replace(same, values=dict.fromkeys(range(10), 2 * step)), RATIO).state == FOR


def test_a_ratio_takes_the_seeds_that_both_sides_have():
    first = {0: 1.0, 1: 4.0, 2: None, 3: math.inf, 4: 0.0}
    second = {1: 2.0, 2: 1.0, 3: 1.0, 4: 1.0, 7: 5.0}
    assert log_ratios(first, second) == {1: pytest.approx(math.log(2))}
    floored = log_ratios(first, second, floor=1e-3)
    assert floored == pytest.approx({1: math.log(2), 4: math.log(1e-3)})
