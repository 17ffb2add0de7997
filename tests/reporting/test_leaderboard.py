from making import MATRIX, a_cost, a_result, a_spec, shifted

from nanocl import __version__
from nanocl.reporting import leaderboard, ranking
from nanocl.reporting.summaries import summarise


def runs(strategy, by=0.0, seeds=range(8), noise=0.001, **options):
    return [
        a_result(a_spec(strategy, seed, **options), shifted(by + noise * (seed * 7 % 5)))
        for seed in seeds
    ]


def ranked(*groups):
    return ranking.rank(summarise([run for group in groups for run in group]))


def test_a_row_that_the_test_cannot_distinguish_from_the_best_is_marked():
    noisy = [
        a_result(a_spec("noisy", seed), shifted(0.001 + 0.05 * (-1) ** seed)) for seed in range(8)
    ]
    best, other = ranked(noisy, runs("steady"))
    assert not other.separable and "not separable" in other.note
    page = leaderboard.section([best.row, other.row])
    assert "| 2 = (1-2)" in page and "| 1 (1-2)" in page


def test_the_identity_depends_on_every_record_and_not_on_their_order():
    results = [*runs("a"), *runs("b")]
    before = leaderboard.identity(results)
    assert leaderboard.identity(results[::-1]) == before
    assert leaderboard.identity(results[1:]) != before
    changed = a_result(results[0].spec, shifted(1e-9), cost=results[0].cost)
    assert leaderboard.identity([changed, *results[1:]]) != before
    slower = a_result(results[0].spec, results[0].evaluation, cost=a_cost(train_seconds=11.0))
    assert leaderboard.identity([slower, *results[1:]]) != before


def test_the_page_has_a_section_for_each_protocol_with_all_that_matters():
    rows = summarise(
        [*runs("sgd"), *runs("adam", options_from="tuned"), *runs("sgd", scenario="task")]
    )
    page = leaderboard.leaderboard(rows)
    assert page.count("\n## split-digits, tier cpu, ") == 2
    for words in (
        f"nanocl {__version__}",
        leaderboard.identity([r for row in rows for r in row.results]),
        "24 runs",
        "2 protocols",
        "ACC [95 %]",
        " F |",
        "relative drift",
        "CPU s",
        "tuned",
        "`0123456789abcdef`",
        "(official)",
        "Holm",
        rows[0].protocol_hash,
        f"tables/split-digits-cpu-class-{rows[0].protocol_hash}.md",
    ):
        assert words in page, words


def test_the_two_protocols_of_one_stream_do_not_meet_in_a_ranked():
    rows = summarise([*runs("a", 0.1), *runs("b", epochs=2)])
    assert leaderboard.leaderboard(rows).count("| 1 ") == 2


def test_a_single_seed_has_a_score_without_interval():
    (place,) = ranked([a_result(a_spec(), MATRIX)])
    assert place.ranks is None and " 60.00 |" in leaderboard.section([place.row])


def test_a_sweep_is_not_ranked_because_its_best_point_would_be_chosen_on_the_test_data():
    swept = [run for lr in (0.1, 0.3) for run in runs("a", lr, lr=lr, options_from="sweep")]
    page = leaderboard.section(summarise(swept))
    assert "a sweep of 16 runs, not ranked" in page and "| rank" not in page
    assert "[tables/" in page and "protocol `" in page
