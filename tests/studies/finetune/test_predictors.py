"""Rank correlations of what moved with what was forgotten, from points written by hand."""

import pytest
from making import a_spec

from nanocl.studies.finetune import predictors
from nanocl.studies.finetune.points import Point, Sweep


def a_sweep(arms):
    return Sweep("made-up", "a pair of tasks", a_spec(), arms, 0)


def points(*rows):
    """Points with (KL, L2 drift, forgetting)."""
    return [
        Point(1e-3, "", 0.8, 0.9 - lost, 0.9, drift, None, (), divergence=kl, representation=kl)
        for kl, drift, lost in rows
    ]


RISING = [(n, 10 - n, 0.01 * n) for n in range(1, 7)]  # KL ranks as forgetting does, L2 against it


def test_a_measure_that_ranks_as_forgetting_does_has_correlation_1():
    sweep = a_sweep({"adamw": {seed: points(*RISING) for seed in range(4)}})
    found = predictors.correlations(sweep)
    kl, cka, distance = found.values()
    assert kl == cka == pytest.approx({seed: 1.0 for seed in range(4)})
    assert distance == pytest.approx({seed: -1.0 for seed in range(4)})
    table = predictors.table(sweep)
    assert "1.00 [1.00, 1.00]" in table and "minus L2" in table and "2.00 [2.00, 2.00]" in table


def test_points_of_all_arms_are_ranked_together_and_joint_training_is_not():
    high = [(kl, drift, lost) for kl, drift, lost in RISING[3:]]
    arms = {"adamw": {0: points(*RISING[:3])}, "nanoadam": {0: points(*high)}}
    alone = predictors.correlations(a_sweep(arms))
    joint = {"joint+adamw": {0: points((0.0, 0.0, 0.5))}}
    assert predictors.correlations(a_sweep({**arms, **joint})) == alone
    assert next(iter(alone.values())) == pytest.approx({0: 1.0})


def test_too_few_points_and_older_records_are_not_measured():
    assert predictors.correlations(a_sweep({"adamw": {0: points(*RISING[:4])}})) == {
        name: {} for name in predictors.MEASURES
    }
    older = [(None, drift, lost) for _, drift, lost in RISING]
    said = predictors.table(a_sweep({"adamw": {0: points(*older)}}))
    assert said.startswith("Not measured")
