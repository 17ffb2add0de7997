"""The figures of a sweep."""

from dataclasses import replace

import pytest
from made_sweeps import a_sweep, one_seed

from nanocl.studies.finetune import figures
from nanocl.studies.finetune.figures import Mark


def test_the_figures_are_the_same_bytes_twice_and_bear_a_diverged_run():
    sweep = a_sweep()
    gone = tuple(replace(p, new=None, old=None, drift=None, deciles=()) for p in one_seed())
    sweep = replace(
        sweep, arms={"adamw": sweep.arms["adamw"], "large": sweep.arms["large"], "sgd": {0: gone}}
    )
    first = figures.draw(sweep)
    assert first == figures.draw(sweep) and set(first) == {
        "fronts.png",
        "learning-rates.png",
        "drift.png",
        "change-by-magnitude.png",
    }


def test_a_front_keeps_the_rates_that_no_other_beats_on_both_tasks():
    places = ((10, 80), (20, 70), (15, 60), (20, 65), (5, 80))
    rows = [Mark(new, old, 0.0, 0.0) for new, old in places]
    assert figures.unbeaten(rows) == rows[:2]
    assert figures.unbeaten(rows[:1] * 2) == rows[:1] * 2


@pytest.mark.parametrize("rates", [(0.0, 1e-3), (0.0,), (1e-4, 1e-3)])
def test_a_backbone_that_is_not_trained_stands_at_the_left_of_the_rates(rates):
    sweep = a_sweep()
    points = tuple(replace(one_seed()[0], lr=rate) for rate in rates)
    sweep = replace(sweep, arms={"adamw": {0: points}})
    axis = figures.learning_rates(sweep).axes[0]
    left, right = axis.get_xlim()
    assert all(left <= rate <= right for rate in rates)
    assert axis.get_xscale() == ("log" if min(rates) else "symlog" if len(rates) > 1 else "linear")
