"""The choice among settings, by hand."""

import pytest

from nanocl.tuning.choice import Trial, choose


def trial(rate, scores, learning=0.5):
    seeds = range(1000, 1000 + len(scores))
    return Trial(
        (("sgd", "lr", rate),),
        dict(zip(seeds, scores, strict=True)),
        dict.fromkeys(seeds, learning),
    )


def test_within_one_standard_error_the_setting_that_learns_best_is_chosen():
    best = trial(0.1, [0.80, 0.84, 0.82, 0.86], learning=0.90)
    # differences to the best .02, -.02, .01, .03: mean .01, standard deviation .0216, error .0108
    near = trial(0.2, [0.78, 0.86, 0.81, 0.83], learning=0.95)
    # differences .02 each: no error, so it is outside
    outside = trial(0.3, [0.78, 0.82, 0.80, 0.84], learning=0.99)
    choice = choose([outside, near, best])
    assert (choice.winner, choice.best, choice.runner_up) == (near, best, best)
    assert choice.within == 2 and not choice.separable


def test_a_tie_in_learning_goes_to_the_higher_score():
    best = trial(0.1, [0.80, 0.84])
    assert choose([trial(0.2, [0.79, 0.845]), best]).winner is best


def test_a_runner_up_that_is_always_worse_is_separable():
    choice = choose([trial(0.1, [0.8, 0.9, 0.85]), trial(0.2, [0.7, 0.79, 0.76])])
    assert choice.winner.setting[0][2] == 0.1 and choice.separable


def test_a_setting_with_a_diverged_run_is_never_chosen():
    choice = choose([trial(0.1, [0.5, 0.6]), trial(1.0, [0.9, None])])
    assert choice.winner.setting[0][2] == 0.1 and choice.runner_up is None


def test_settings_with_fewer_seeds_than_the_best_looked_at_are_not_compared():
    choice = choose([trial(0.1, [0.99, 0.99]), trial(0.2, [0.5, 0.6, 0.7, 0.8])])
    assert choice.winner.setting[0][2] == 0.2


def test_where_every_setting_diverged_there_is_no_choice():
    with pytest.raises(ValueError, match="in every setting a run diverged"):
        choose([trial(0.1, [None]), trial(1.0, [0.5, None])])
