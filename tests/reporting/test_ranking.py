import pytest
from making import a_result, a_spec, shifted

from nanocl.reporting import ranking, statistics
from nanocl.reporting.summaries import summarise


def runs(strategy, by=0.0, seeds=range(8), noise=0.001, **options):
    return [
        a_result(a_spec(strategy, seed, **options), shifted(by + noise * (seed * 7 % 5)))
        for seed in seeds
    ]


def ranked(*groups):
    return ranking.rank(summarise([run for group in groups for run in group]))


def test_rows_are_ranked_by_mean_accuracy_and_tested_against_the_best():
    best, middle, last = ranked(runs("b", 0.1), runs("c", -0.2), runs("a", 0.0))
    assert [(p.row.strategy, p.rank) for p in (best, middle, last)] == [
        ("b", 1),
        ("a", 2),
        ("c", 3),
    ]
    assert best.p_value is None and not best.separable
    assert middle.p_value == last.p_value == pytest.approx(2 * 2 / 2**8)
    assert middle.separable and middle.differences == pytest.approx((-0.1,) * 8)
    assert [p.ranks for p in (best, middle, last)] == [(1, 1), (2, 2), (3, 3)]


def test_losses_are_ranked_lowest_first():
    low, high = (
        [a_result(a_spec(name, s), shifted(by), measure="loss") for s in range(3)]
        for name, by in (("low", 0.0), ("high", 0.1))
    )
    assert [place.row.strategy for place in ranked(high, low)] == ["low", "high"]


def test_p_values_are_corrected_by_holm_over_the_rows():
    near = [a_result(a_spec("near", seed), shifted(0.1 + 0.01 * (-1) ** seed)) for seed in range(8)]
    places = ranked(runs("best", 0.2), runs("far", 0.0), near)
    raw = [statistics.sign_flip_p_value(place.differences) for place in places[1:]]
    assert tuple(place.p_value for place in places[1:]) == statistics.holm(raw)


def test_5_seeds_cannot_reach_the_level_so_the_row_is_neither_tested_nor_called_equal():
    _, other = ranked(runs("a", 0.2, seeds=range(5)), runs("b", -0.3, seeds=range(5)))
    assert other.p_value is None and not other.separable
    assert other.note == "no test: 5 seeds in common with the best"


def test_fewer_than_3_seeds_in_common_are_not_tested_and_the_page_says_so():
    _, other = ranked(runs("a", 0.1, seeds=range(5)), runs("b", seeds=(3, 4, 5, 6)))
    assert other.p_value is None and other.note == "no test: 2 seeds in common with the best"
    assert not other.separable


def test_joint_training_is_an_upper_bound_and_not_ranked():
    first, joint = ranked(runs("joint", 0.3), runs("sgd"))
    assert (first.row.strategy, first.rank) == ("sgd", 1)
    assert (joint.row.strategy, joint.rank, joint.note) == (
        "joint",
        None,
        "upper bound, not ranked",
    )


def test_a_row_with_diverged_seeds_is_not_ranked_because_the_remaining_seeds_are_a_biased_sample():
    unfinished = [
        *runs("unfinished", 0.3, seeds=range(2)),
        a_result(a_spec("unfinished", 2), (), status="diverged"),
    ]
    first, last = ranked(unfinished, runs("sgd", seeds=range(3)))
    assert (first.row.strategy, last.rank, last.note) == (
        "sgd",
        None,
        "not ranked: 1 of 3 runs diverged",
    )


def test_only_unranked_rows_make_a_board_without_ranks():
    assert [place.rank for place in ranked(runs("joint"))] == [None]
