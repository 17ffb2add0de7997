"""Settings that a sampler proposes, against a function whose best setting is known."""

import builtins
import math

import pytest

from nanocl.records import UserError
from nanocl.tuning.sampled import Sampled
from nanocl.tuning.search import Score
from nanocl.tuning.space import Axis

RATES = Axis("sgd", "lr", (1e-4, 1e-2, 1.0))
STRENGTHS = Axis("ewc", "strength", (1.0, 1000.0))


def measured(search, budget=10_000, diverging=math.inf):
    """Measure what the search asks for; the best rate is 0.01, rates above `diverging` diverge."""
    results = {}
    while True:
        search, todo = search.settled(results)
        for setting, seed in todo[:budget]:
            rate = setting[0][2]
            score = 0.9 - 0.1 * abs(math.log10(rate) + 2)
            results[setting, seed] = Score(score if rate < diverging else None, 0.9, 2.0)
        if not todo:
            return search, results


def test_it_tries_as_many_settings_as_asked_for_and_finds_a_good_one():
    search, results = measured(Sampled((RATES,), 30))
    trials = search.trials(results)
    assert 25 <= len(trials) <= 30  # two proposals may round to one setting
    assert all(len(trial.scores) == 4 for trial in trials)
    assert 0.004 < search.choice(results).winner.setting[0][2] < 0.025
    assert all(1e-4 <= trial.setting[0][2] <= 1.0 for trial in trials)


def test_a_search_that_is_interrupted_after_each_run_proposes_the_same_settings():
    search = Sampled((RATES, STRENGTHS), 8)
    assert measured(search, budget=1) == measured(search)


def test_no_setting_is_proposed_after_the_cpu_seconds_are_spent():
    search, results = measured(Sampled((RATES,), 30, cpu_seconds=17.0))
    assert len(search.trials(results)) == 3  # of 4 runs, 2 s each


def test_a_setting_that_diverges_is_not_chosen():
    search, results = measured(Sampled((RATES,), 12), diverging=0.005)
    assert search.choice(results).winner.setting[0][2] < 0.005


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "optuna":
            raise ImportError("no module named optuna")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"--trials needs .* pip install .*\[tune\]"):
        Sampled((RATES,), 3).settled({})
