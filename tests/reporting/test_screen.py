"""The screen of a call of `run`: best first, only what was measured, and true sentences."""

import re

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
    assert "Not separable from it: " in together


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
