"""Which runs a search asks for, against a function whose best setting is known."""

import math

import pytest

from nanocl.tuning.search import Score, Search
from nanocl.tuning.space import Axis

RATES = Axis("sgd", "lr", (0.001, 0.01, 0.1))
STRENGTHS = Axis("ewc", "strength", (1.0, 10.0, 100.0))


def measured(search, best, budget=10_000):
    """Measure what the search asks for; the score falls with the distance from `best`."""
    results = {}
    while True:
        search, todo = search.settled(results)
        for setting, seed in todo[:budget]:
            distance = sum(
                abs(math.log10(value) - math.log10(at))
                for (_, _, value), at in zip(setting, best, strict=True)
            )
            results[setting, seed] = Score(0.9 - 0.1 * distance + 1e-4 * seed % 7, 0.9, 2.0)
        if not todo:
            return search, results


def test_one_option_is_tried_at_every_value_on_every_seed():
    search, results = measured(Search((RATES,)), best=[0.01])
    assert len(results) == 3 * 4 and search.growths == 0
    assert {seed for _, seed in results} == {1000, 1001, 1002, 1003}
    assert search.choice(results).winner.setting == (("sgd", "lr", 0.01),)


@pytest.mark.parametrize(
    ("best", "growths", "values"), [(1.0, 1, 5), (30.0, 2, 7), (1e-5, 2, 7), (1e9, 3, 9)]
)
def test_a_grid_grows_where_its_best_value_is_at_an_end_at_most_three_times(best, growths, values):
    search, results = measured(Search((RATES,)), [best])
    assert search.growths == growths and len(search.axes[0].values) == values
    assert len(results) == 4 * values


def test_two_options_are_tried_on_two_seeds_and_the_three_best_pairs_on_four():
    search, results = measured(Search((RATES, STRENGTHS)), best=[0.01, 10.0])
    assert len(results) == 9 * 2 + 3 * 2
    choice = search.choice(results)
    assert choice.winner.setting == (("sgd", "lr", 0.01), ("ewc", "strength", 10.0))
    assert len(choice.winner.scores) == 4


def test_a_search_that_is_interrupted_after_each_run_asks_for_the_same_runs():
    search = Search((RATES, STRENGTHS))
    whole = measured(search, [0.1, 1.0])
    assert measured(search, [0.1, 1.0], budget=1) == whole


def test_a_search_in_which_everything_diverges_ends_without_growing():
    results = {}
    search, todo = Search((RATES,)).settled(results)
    results |= dict.fromkeys(todo, Score(None, None))
    assert search.settled(results) == (search, [])
    with pytest.raises(ValueError, match="in every setting a run diverged"):
        search.choice(results)


@pytest.mark.parametrize("axes", [(RATES,), (RATES, STRENGTHS)])
def test_a_grid_whose_settings_are_all_equal_does_not_grow(axes):
    """The first of them is at an end: a strength without effect grew to a hundred-millionth."""
    search, results = Search(axes), {}
    while True:
        search, todo = search.settled(results)
        if not todo:
            break
        results |= dict.fromkeys(todo, Score(0.1, 0.5))
    assert search.growths == 0


def test_of_equal_pairs_those_that_learn_better_get_all_seeds():
    search = Search((RATES, STRENGTHS))
    _, todo = search.settled({})
    results = {(s, seed): Score(0.1, s[0][2]) for s, seed in todo}
    _, todo = search.settled(results)
    assert {setting[0][2] for setting, _ in todo} == {0.1}
