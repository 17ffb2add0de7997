"""The tables of a sweep's page."""

import re
from dataclasses import replace

from made_sweeps import RATES, a_sweep, one_seed, point

from nanocl.studies.finetune import page_tables


def rows(table):
    return [re.split(r" *\| *", line)[1:-1] for line in table.splitlines()[2:]]


def with_arms(**arms):
    return replace(a_sweep(), arms=arms)


def test_a_target_that_some_seeds_miss_shows_how_many_reach_it():
    low = (point(1e-3, 0.5, 0.8), point(1e-2, 0.55, 0.7))
    adamw = {seed: one_seed(seed=seed) for seed in range(3)}
    table = page_tables.at_targets(with_arms(adamw=adamw, sgd={0: adamw[0], 1: low, 2: low}), "old")
    adamw_row, sgd = rows(table)
    assert sgd[-1] == "– (1 of 3)" and "[" in sgd[1] and "–" not in adamw_row[1:]


def test_tolerated_rates_mark_the_ends_of_the_sweep():
    flat = tuple(point(lr, 0.7, 0.9) for lr in RATES)
    peaked = (point(1e-4, 0.5, 0.9), point(1e-3, 0.7, 0.9), point(1e-2, 0.5, 0.9))
    table = rows(page_tables.best_rates(with_arms(flat={0: flat}, peaked={0: peaked})))
    assert [row[-1] for row in table] == ["≤ 0.0001 to ≥ 0.01", "0.001"]


def test_a_diverged_run_is_counted_and_left_out_of_the_means():
    gone = replace(point(1e-3, 0.0, 0.0), new=None, old=None, drift=None)
    arms = {"sgd": {0: (point(1e-3, 0.5, 0.8),), 1: (gone,)}}
    (row,) = rows(page_tables.every_point(with_arms(**arms)))
    assert row == ["sgd", "0.001", "50.00", "80.00", "1", "2", "1"]
