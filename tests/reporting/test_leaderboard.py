import pytest
from making import MATRIX, a_cost, a_result, a_spec, shifted

from nanocl import __version__
from nanocl.reporting import leaderboard, statistics
from nanocl.reporting.summaries import summarise


def runs(strategy, by=0.0, seeds=range(8), noise=0.001, **options):
    return [
        a_result(a_spec(strategy, seed, **options), shifted(by + noise * (seed * 7 % 5)))
        for seed in seeds
    ]


def ranking(*groups):
    return leaderboard.rank(summarise([run for group in groups for run in group]))


def test_rows_are_ranked_by_mean_accuracy_and_tested_against_the_best():
    best, middle, last = ranking(runs("b", 0.1), runs("c", -0.2), runs("a", 0.0))
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
    assert [place.row.strategy for place in ranking(high, low)] == ["low", "high"]


def test_p_values_are_corrected_by_holm_over_the_rows():
    near = [a_result(a_spec("near", seed), shifted(0.1 + 0.01 * (-1) ** seed)) for seed in range(8)]
    places = ranking(runs("best", 0.2), runs("far", 0.0), near)
    raw = [statistics.sign_flip_p_value(place.differences) for place in places[1:]]
    assert tuple(place.p_value for place in places[1:]) == statistics.holm(raw)


def test_a_row_that_cannot_be_told_from_the_best_is_marked():
    noisy = [
        a_result(a_spec("noisy", seed), shifted(0.001 + 0.05 * (-1) ** seed)) for seed in range(8)
    ]
    best, other = ranking(noisy, runs("steady"))
    assert not other.separable and "not separable" in other.note
    page = leaderboard.section([best.row, other.row])
    assert "| 2 = (1-2)" in page and "| 1 (1-2)" in page


def test_5_seeds_cannot_reach_the_level_so_the_row_is_neither_tested_nor_called_equal():
    _, other = ranking(runs("a", 0.2, seeds=range(5)), runs("b", -0.3, seeds=range(5)))
    assert other.p_value is None and not other.separable
    assert other.note == "no test: 5 seeds in common with the best"


def test_fewer_than_3_seeds_in_common_are_not_tested_and_the_page_says_so():
    _, other = ranking(runs("a", 0.1, seeds=range(5)), runs("b", seeds=(3, 4, 5, 6)))
    assert other.p_value is None and other.note == "no test: 2 seeds in common with the best"
    assert not other.separable


def test_joint_training_is_an_upper_bound_and_not_ranked():
    first, joint = ranking(runs("joint", 0.3), runs("sgd"))
    assert (first.row.strategy, first.rank) == ("sgd", 1)
    assert (joint.row.strategy, joint.rank, joint.note) == (
        "joint",
        None,
        "upper bound, not ranked",
    )


def test_a_row_with_diverged_seeds_is_not_ranked_on_the_lucky_ones():
    lucky = [
        *runs("lucky", 0.3, seeds=range(2)),
        a_result(a_spec("lucky", 2), (), status="diverged"),
    ]
    first, last = ranking(lucky, runs("sgd", seeds=range(3)))
    assert (first.row.strategy, last.rank, last.note) == (
        "sgd",
        None,
        "not ranked: 1 of 3 runs diverged",
    )


def test_only_unranked_rows_make_a_board_without_ranks():
    assert [place.rank for place in ranking(runs("joint"))] == [None]


def test_the_identity_depends_on_every_record_and_not_on_their_order():
    results = [*runs("a"), *runs("b")]
    found = leaderboard.identity(results)
    assert leaderboard.identity(results[::-1]) == found
    assert leaderboard.identity(results[1:]) != found
    changed = a_result(results[0].spec, shifted(1e-9), cost=results[0].cost)
    assert leaderboard.identity([changed, *results[1:]]) != found
    slower = a_result(results[0].spec, results[0].evaluation, cost=a_cost(train_seconds=11.0))
    assert leaderboard.identity([slower, *results[1:]]) != found


def test_the_page_has_a_section_for_each_protocol_with_all_that_matters():
    rows = summarise(
        [*runs("sgd"), *runs("adam", options_from="tuned"), *runs("sgd", scenario="task")]
    )
    page = leaderboard.page(rows)
    assert page.count("\n## split-digits, tier cpu, ") == 2
    for words in (
        f"nanocl {__version__}",
        leaderboard.identity([r for row in rows for r in row.results]),
        "24 runs",
        "2 protocols",
        "ACC [95 %]",
        " F |",
        "relative drift",
        "train s",
        "tuned",
        "`0123456789abcdef`",
        "(official)",
        "Holm",
        rows[0].protocol,
        f"tables/split-digits-cpu-class-{rows[0].protocol}.md",
    ):
        assert words in page, words


def test_the_two_protocols_of_one_stream_do_not_meet_in_a_ranking():
    rows = summarise([*runs("a", 0.1), *runs("b", epochs=2)])
    assert leaderboard.page(rows).count("| 1 ") == 2


def test_a_single_seed_has_a_score_without_interval():
    (place,) = ranking([a_result(a_spec(), MATRIX)])
    assert place.ranks is None and " 60.00 |" in leaderboard.section([place.row])


def test_a_sweep_is_not_ranked_because_its_best_point_would_be_chosen_on_the_test_data():
    swept = [run for lr in (0.1, 0.3) for run in runs("a", lr, lr=lr, options_from="sweep")]
    page = leaderboard.section(summarise(swept))
    assert "a sweep of 16 runs, not ranked" in page and "| rank" not in page
    assert "[tables/" in page and "protocol `" in page
