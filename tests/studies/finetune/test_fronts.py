"""Arms are read at settings that were chosen on held-out data."""

from dataclasses import replace

import numpy as np
import pytest
from made_sweeps import a_sweep, point

from nanocl.studies.finetune import fronts


def test_a_setting_is_chosen_on_held_out_data_and_read_on_test_data():
    points = [
        point(1e-3, 0.70, 0.2, held_new=0.6, held_old=0.8),
        point(1e-2, 0.99, 0.9, held_new=0.6, held_old=0.7),
    ]
    chosen = fronts.reading(points, 0.6)
    assert (chosen.new, chosen.old) == (0.70, 0.2)
    assert fronts.reading(points, 0.6, fronts.tested).old == 0.9


def test_no_line_is_drawn_between_settings():
    points = [point(1e-3, 0.2, 0.9), point(1e-2, 0.6, 0.5)]
    assert fronts.reading(points, 0.4) is points[1]
    assert fronts.reading(points, 0.61) is None


def test_readings_and_levels_agree_with_plain_loops():
    generator = np.random.default_rng(0)
    arms = {}
    for arm in "abc":
        rows = generator.uniform(0.7, 1.0, size=(4, 6, 4)).tolist()
        arms[arm] = {
            seed: [point(10.0**-k, *v[:2], held_new=v[2], held_old=v[3]) for k, v in enumerate(row)]
            for seed, row in enumerate(rows)
        }
    levels = fronts.levels(replace(a_sweep(), arms=arms)).by_share
    assert [*levels] == [0.8, 0.9, 0.95]
    for share, row in levels.items():
        for seed, level in row.items():
            highest = []
            for arm in arms:
                highest.append(max(p.held_new for p in arms[arm][seed]))
            assert level == share * min(highest)
            for arm in arms:
                slow = None
                for p in arms[arm][seed]:
                    if p.held_new >= level and (slow is None or p.held_old > slow.held_old):
                        slow = p
                assert fronts.reading(arms[arm][seed], level) is slow is not None


def test_a_reading_at_the_lowest_rate_is_an_edge_unless_the_rate_is_zero():
    points = [point(1e-3, 0.6, 0.9), point(1e-2, 0.6, 0.5), point(1e-3, 0.6, 0.8, curve="b=1")]
    assert [fronts.is_edge(one, points) for one in points] == [True, False, True]
    frozen = point(0.0, 0.6, 0.9)
    assert not fronts.is_edge(frozen, [frozen, *points])


def learned(best, **arms):
    """A sweep in which every arm learns as much, but for those given."""
    sweep = a_sweep(seeds=3)
    made = {arm: {0: (point(1e-3, best, 0.5),)} for arm in ("adamw", "nanoadam")}
    return replace(sweep, arms={**made, **{arm: {0: row} for arm, row in arms.items()}})


def test_a_level_below_half_of_joint_training_is_not_judged():
    little = fronts.levels(learned(0.21))
    assert not little.by_share and "too little" in little.missing and "50 %" in little.missing
    assert [*fronts.levels(learned(0.60)).by_share] == [0.9, 0.95]
    joint = {"joint+adamw": (point(1e-3, 0.3, 0.9, held=False),)}
    assert [*fronts.levels(learned(0.21, **joint)).by_share] == [0.8, 0.9, 0.95]
    assert [*fronts.levels(learned(0.16, **joint)).by_share] == [0.95]


def test_a_level_below_that_of_an_untrained_head_is_not_judged():
    easy = learned(0.6, sgd=(point(1e-3, 0.6, 0.5, untrained=0.99),))
    assert "too little" in fronts.levels(replace(easy, arms={"sgd": easy.arms["sgd"]})).missing


def test_without_held_out_accuracies_nothing_is_judged():
    arms = {"adamw": {0: (point(1e-3, 0.9, 0.9, held=False),)}}
    levels = fronts.levels(replace(a_sweep(), arms=arms))
    assert not levels.by_share and levels.missing == fronts.NOT_HELD


def test_a_diverged_run_is_never_chosen():
    gone = point(1e-2, None, None, drift=None)
    good = point(1e-3, 0.6, 0.5)
    assert fronts.best([gone]) is None and fronts.best([gone, good]) is good
    assert fronts.reading([gone, good], 0.0) is good


@pytest.mark.parametrize("first", [{0: (), 2: ()}, {2: ()}])
def test_seeds_pair_where_both_arms_have_them(first):
    assert fronts.by_seed(first, {1: (), 2: ()}) == [2]


def test_head_and_norms_alone_lower_no_level():
    weak = {"head+norms": (point(1e-3, 0.55, 0.9),)}
    assert fronts.levels(learned(0.80, **weak)) == fronts.levels(learned(0.80))
    lower = fronts.levels(learned(0.80, sgd=weak["head+norms"])).by_share
    assert all(row[0] < 0.55 for row in lower.values())


def test_an_arm_of_which_runs_are_missing_lowers_no_level():
    whole = learned(0.80, sgd=(point(1e-3, 0.55, 0.9),))
    part = replace(whole, grids={**whole.grids, "sgd": replace(whole.grids["sgd"], missing=1)})
    assert fronts.levels(part) == fronts.levels(learned(0.80)) != fronts.levels(whole)
