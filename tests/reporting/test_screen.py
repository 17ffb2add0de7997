"""The screen of a call of `run`: best first, only what was measured, and true sentences."""

import re
from dataclasses import replace

import pytest
from making import MATRIX, a_result, a_spec, shifted

from nanocl.reporting import screen
from nanocl.reporting.summaries import summarise


def runs(strategy, by=0.0, seeds=range(3), scenario="domain", **options):
    return [
        a_result(
            a_spec(strategy, seed, scenario=scenario, **options), shifted(by + 0.001 * (seed % 3))
        )
        for seed in seeds
    ]


def shown(*results, width=100):
    return screen.screen(summarise(results), width)


def names(text):
    table = text.split("\n\n")[1].splitlines()
    rule = next(i for i, line in enumerate(table) if line.startswith("---"))
    return [line.split("  ")[0] for line in table[rule + 1 :] if not line.startswith("[")]


def test_rows_stand_best_first_below_the_upper_bound():
    text = shown(*runs("adamw"), *runs("er", 0.2), *runs("sgd", -0.1), *runs("joint", 0.1))
    assert names(text) == ["joint (bound)", "er (best)", "adamw", "sgd"]
    head = text.splitlines()[0]
    assert "split-digits, domain-incremental: 3 experiences" in head and "3 seeds" in head


def test_the_sentence_compares_the_best_row_with_a_plain_optimizer_and_asks_for_seeds():
    text = shown(*runs("adamw"), *runs("er", 0.2), *runs("sgd", -0.1))
    end = 100 * (sum(MATRIX[-1]) / 3 + 0.001)  # the mean shift of seeds 0, 1 and 2 is 0.001
    expected = f"er is best ({end + 20:.2f} %), 20.00 points from adamw ({end:.2f})."
    assert expected in " ".join(text.split())
    assert "3 seeds: no test; --seeds 10 gives one." in " ".join(text.split())


def test_with_enough_seeds_it_says_what_the_test_separates():
    many = range(8)
    apart = shown(*runs("er", 0.2, many), *runs("sgd", 0.0, many))
    assert "It is separable from all others." in apart and "--seeds" not in apart
    noisy = [
        a_result(a_spec("er", seed, scenario="domain"), shifted(0.05 * (-1) ** seed))
        for seed in many
    ]
    together = " ".join(shown(*noisy, *runs("sgd", -0.002, many)).split())
    assert "Not separable from er: " in together


def test_without_the_task_it_says_how_many_know_only_the_last_experience():
    last_only = ((0.9, 0.0, 0.0), (0.0, 0.9, 0.0), (0.0, 0.0, 0.9))
    results = [
        a_result(a_spec(name, seed), last_only if name == "sgd" else MATRIX)
        for name in ("sgd", "er")
        for seed in range(2)
    ]
    text = " ".join(shown(*results).split())
    assert "1 of 2 learners keep no more than the last experience (about 33 %)" in text


def test_options_are_footnotes_and_a_column_without_a_number_is_left_out():
    text = shown(*runs("sgd", lr=0.5), *runs("adamw", 0.1))
    row = next(line for line in text.splitlines() if line.startswith("sgd"))
    mark = re.search(r"\[\d\]", row)[0]
    assert any(line.startswith(mark) and "lr=0.5" in line for line in text.splitlines())
    assert "told the task" not in text and "just learned" in text


def test_a_diverged_row_says_so_and_is_not_best():
    bad = a_result(a_spec("sgd", 2, scenario="domain"), MATRIX[:1], status="diverged")
    text = shown(*runs("sgd", 0.5, seeds=range(2)), bad, *runs("adamw"), *runs("er", 0.1))
    assert "sgd (diverged 1/3)" in text and "er (best)" in text


def test_many_rows_end_with_a_pointer_to_all_of_them():
    many = [run for n in range(45) for run in runs(f"learner{n}", 0.001 * n, seeds=(0,))]
    text = shown(*many)
    assert len(names(text)) == screen.MOST_ROWS + 1 and names(text)[-1] == "5 more rows: --full"


def diverging(strategy, seeds=range(3)):
    specs = [a_spec(strategy, seed, scenario="domain") for seed in seeds]
    return [a_result(spec, (), status="diverged") for spec in specs]


def flat(*results):
    return " ".join(shown(*results).split())


@pytest.mark.parametrize("others", [[], diverging("sgd")], ids=["alone", "beside diverged runs"])
def test_an_upper_bound_shows_its_numbers_where_nothing_is_ranked(others):
    text = shown(*runs("joint"), *others)
    row = next(line for line in text.splitlines() if line.startswith("joint"))
    assert row.split()[2] == f"{100 * (sum(MATRIX[-1]) / 3 + 0.001):.1f}"


@pytest.mark.parametrize(
    "results",
    [runs("joint"), runs("adamw"), [*runs("adamw"), *runs("joint")], diverging("adamw")],
    ids=["bound", "one learner", "one learner and a bound", "diverged"],
)
def test_more_seeds_are_asked_for_only_where_two_learners_could_be_compared(results):
    assert "no test" not in flat(*results)


def test_runs_that_all_diverged_have_a_score_without_a_number():
    text = shown(*diverging("sgd"), *diverging("adamw"))
    assert "accuracy at the end" in text and "just learned" not in text
    assert "sgd (diverged 3/3)" in text and "best" not in text


def test_an_upper_bound_that_diverged_says_so():
    assert "joint (bound, diverged 3/3)" in shown(*runs("sgd"), *diverging("joint"))


def test_losses_and_their_forgetting_are_better_when_lower():
    both = (*runs("sgd"), *runs("adamw", 0.2))
    text = shown(*(replace(run, measure="loss") for run in both))
    symbols = next(line for line in text.splitlines() if "ACC" in line)
    assert re.findall(r"(\S+) (up|down)", symbols) == [
        ("ACC", "down"), ("LA", "down"), ("F", "down")
    ]  # fmt: skip
    assert names(text)[0] == "sgd (best)" and " points" not in text


def test_equal_scores_are_all_best():
    text = shown(*runs("er"), *runs("adamw"), *runs("sgd", -0.1))
    assert names(text) == ["adamw (best)", "er (best)", "sgd"]
    score = f"{100 * (sum(MATRIX[-1]) / 3 + 0.001):.2f}"
    assert f"adamw and er are best ({score} %), 10.00 points from sgd" in " ".join(text.split())


def test_what_the_test_cannot_separate_is_not_called_best():
    noisy = [
        a_result(a_spec("er", seed, scenario="domain"), shifted(0.05 * (-1) ** seed))
        for seed in range(8)
    ]
    text = shown(*noisy, *runs("sgd", -0.002, range(8)), *runs("lift", -0.5, range(8)))
    assert "best" not in text and "er has the highest mean" in text
    assert "Not separable from er: sgd." in text


def test_rows_of_one_learner_are_told_apart_in_sentences():
    text = flat(*runs("sgd", lr=0.5), *runs("sgd", -0.1, lr=0.1))
    assert "sgd [1] is best" in text and "points from sgd [2] (" in text


def test_the_column_that_tells_the_task_is_named_only_if_it_is_shown():
    last_only = ((0.9, 0.0, 0.0), (0.0, 0.9, 0.0), (0.0, 0.0, 0.9))
    for masked in (None, MATRIX):
        rows = [a_result(a_spec("sgd", seed), last_only, masked=masked) for seed in (0, 1)]
        text = flat(*rows)
        assert "no more than the last experience" in text
        assert ("told the task, they keep" in text) == (masked is not None)


def test_no_point_of_a_sweep_is_called_best():
    points = [run for lr in (0.1, 0.5) for run in runs("sgd", lr, lr=lr, options_from="sweep")]
    text = shown(*points)
    assert "nothing is ranked" in text and "(best)" not in text


def test_rows_without_the_seeds_of_the_others_or_without_a_score_are_not_ranked():
    text = shown(*runs("sgd"), *runs("adamw", -0.1), *runs("er", 0.1, seeds=range(3, 6)))
    assert names(text) == ["sgd (best)", "adamw", "er (not ranked)"]
    runs_of_no_stream = [
        a_result(a_spec(name, seed, protocol="two-digit-retention"), MATRIX[:1], initial=(0.1,))
        for name in ("er", "sgd")
        for seed in range(2)
    ]
    assert names(shown(*runs_of_no_stream)) == ["er (not ranked)", "sgd (not ranked)"]


def test_a_smoke_run_ranks_nobody():
    results = [*runs("adamw"), *runs("er", 0.2)]
    smoke = [replace(run, spec=replace(run.spec, tier="smoke")) for run in results]
    text = " ".join(shown(*smoke).split())
    assert "it is too short to compare learners" in text
    assert "best" not in text and "points from" not in text


@pytest.mark.parametrize(("width", "left_out"), [(100, ""), (80, "state"), (70, "moved, state")])
def test_what_a_narrow_terminal_has_no_room_for_is_named_instead_of_a_second_table(width, left_out):
    text = shown(*runs("adamw"), *runs("er", 0.2), width=width)
    table = text.split("\n\n")[1]
    assert len([line for line in table.splitlines() if line.startswith("---")]) == 1
    assert max(map(len, table.splitlines()[1:])) <= width
    noted = f"no room for: {left_out} (--full)"
    assert (noted in text) == bool(left_out) and ("no room" in text) == bool(left_out)


def test_a_very_narrow_terminal_folds_the_table():
    text = shown(*runs("adamw"), *runs("er", 0.2), width=40)
    assert "no room" not in text and "B/weight" in text
