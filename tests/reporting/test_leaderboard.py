import re
from dataclasses import replace

import pytest
from making import MATRIX, a_cost, a_result, a_spec, shifted

from nanocl import __version__
from nanocl.reporting import leaderboard, ranking
from nanocl.reporting.summaries import summarise


def runs(strategy, by=0.0, seeds=range(8), noise=0.001, **options):
    return [
        a_result(a_spec(strategy, seed, **options), shifted(by + noise * (seed * 7 % 5)))
        for seed in seeds
    ]


def noisy(strategy, by=0.0, seeds=range(8)):
    return [
        a_result(a_spec(strategy, seed), shifted(by + 0.05 * (-1) ** (seed * len(strategy) // 2)))
        for seed in seeds
    ]


def cells(page):
    """The rows of the table of a section, each as header to cell."""
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in page.splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_rows_that_are_not_separable_share_a_letter_beside_their_ranks():
    page = leaderboard.section(summarise([*noisy("bb", 0.001), *noisy("ccc"), *runs("a", -0.3)]))
    first, second, third = cells(page)
    assert (first["strategy"], first["band"], second["band"], third["band"]) == (
        "bb",
        "a",
        "a",
        "b",
    )
    assert first["rank"].startswith("1 (1-") and third["rank"] == "3 (3-3)"
    assert "not separable" in second["note"]
    assert "separable pairs: 2 of 3 (D = 0.67); ICC 0.9" in page
    assert re.search(
        r"power: with 8 seeds and a residual deviation of \d+\.\d\d, differences of", page
    )


def test_learning_accuracy_and_forgetting_stand_beside_accuracy_with_their_intervals():
    (row,) = cells(leaderboard.section(summarise(runs("a", noise=0.01))))
    titles = [*row]
    place = titles.index("ACC [95 %]")
    assert titles[place + 1 : place + 4] == ["vs best [95 %]", "LA [95 %]", "F [95 %]"]
    for title in ("ACC [95 %]", "LA [95 %]", "F [95 %]"):
        assert re.fullmatch(r"-?[\d.]+ \[[\d.]+, [\d.]+\]", row[title]), row[title]


def test_intervals_end_at_100_percent():
    high = [a_result(a_spec(seed=seed), shifted(0.0, ((v,),))) for seed, v in ((0, 1.0), (1, 0.9))]
    assert cells(leaderboard.section(summarise(high)))[0]["ACC [95 %]"] == "95.00 [31.47, 100.00]"


def test_a_board_that_separates_few_pairs_says_first_that_it_does_not_rank_its_rows():
    rows = summarise([run for name in ("a", "bb", "cccc", "dddddd") for run in noisy(name)])
    title, first = filter(None, leaderboard.section(rows).splitlines()[:3])
    assert title.startswith("## ")
    assert first.startswith("- this board does not rank its rows: D = 0.")
    assert {row["rank"] for row in cells(leaderboard.section(rows))} == {"-"}


def test_a_board_of_3_seeds_says_first_that_it_is_preliminary():
    rows = summarise([*runs("a", 0.3, seeds=range(3)), *runs("b", seeds=range(3))])
    page = leaderboard.section(rows)
    assert page.splitlines()[2] == "- preliminary: 3 seeds; no tests and no ranks below 6"
    assert {(row["rank"], row["band"]) for row in cells(page)} == {("-", "-")}


def test_rows_with_default_options_are_named_above_the_table():
    page = leaderboard.section(summarise([*runs("a"), *runs("b"), *runs("c", options_from="set")]))
    assert "\n- untuned: a, b run with default options\n" in page
    assert "untuned" not in leaderboard.section(summarise(runs("c", options_from="tuned")))


@pytest.mark.parametrize("workers", [1, 2])
def test_cpu_seconds_are_those_of_runs_that_were_alone(workers):
    cost = a_cost(cpu_seconds=16.0, steps=1000, workers=workers)
    rows = summarise([replace(run, cost=cost) for run in runs("a")])
    (row,) = cells(leaderboard.section(rows))
    # 16 s for 1000 steps of 32 samples
    assert row.get("CPU s / 1000 samples") == ("0.500 ± 0.000" if workers == 1 else None)


def test_a_row_with_more_seeds_than_its_board_is_shown_at_those_of_the_board():
    more = [*runs("more", noise=0.0), *runs("more", 0.3, seeds=range(8, 12), noise=0.0)]
    rows = cells(leaderboard.section(summarise([*runs("a"), *runs("b"), *more])))
    assert {row["strategy"]: row["seeds"] for row in rows} == {
        "a": "8",
        "b": "8",
        "more": "8 of 12",
    }
    shown = next(row for row in rows if row["strategy"] == "more")
    assert shown["ACC [95 %]"] == "60.00 [60.00, 60.00]"


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
        "relative drift",
        "LA [95 %]",
        "F [95 %]",
        "tuned",
        "`0123456789abcdef`",
        "(official)",
        "Westfall and Young, 1993",
        rows[0].protocol_hash,
        f"tables/split-digits-cpu-class-{rows[0].protocol_hash}.md",
    ):
        assert words in page, words


def test_the_two_protocols_of_one_stream_do_not_meet_in_a_ranked():
    rows = summarise([*runs("a", 0.1), *runs("b", epochs=2)])
    assert leaderboard.leaderboard(rows).count("| 1 ") == 2


def test_a_single_seed_has_a_score_without_interval():
    board = ranking.rank(summarise([a_result(a_spec(), MATRIX)]))
    assert board.preliminary
    assert cells(leaderboard.section([board.places[0].row]))[0]["ACC [95 %]"] == "60.00"


def test_a_sweep_is_not_ranked_because_its_best_point_would_be_chosen_on_the_test_data():
    swept = [run for lr in (0.1, 0.3) for run in runs("a", lr, lr=lr, options_from="sweep")]
    page = leaderboard.section(summarise(swept))
    assert "a sweep of 16 runs, not ranked" in page and "| rank" not in page
    assert "[tables/" in page and "protocol `" in page
