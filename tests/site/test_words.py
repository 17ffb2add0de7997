"""The sentences of the site follow from the rankings."""

import re
import shlex
from dataclasses import replace

import pytest
from making import a_result, a_spec, shifted

from nanocl.reporting.summaries import summarise
from nanocl.site import words
from nanocl.site.board import Board

SEEDS = 8


def a_board(**better):
    """A board whose learners are better by so much, with little noise."""
    runs = []
    for name, by in better.items():
        for seed in range(SEEDS):
            noise = (seed * 7 + len(name)) % 5 / 1000
            options = {"memory_size": 100} if name == "er" else {}
            runs.append(a_result(a_spec(name, seed, **options), shifted(by + noise - 0.1)))
    return Board("a-board", "now", summarise(runs))


def test_each_question_is_answered_by_the_best_of_those_it_allows():
    answers = dict(words.answers(a_board(sgd=0.0, adam=0.03, er=0.08)))
    assert answers["Any learner"].startswith("er ")
    assert answers["Without stored samples"].startswith("adam ")
    assert answers["Optimizer alone"].startswith("adam ")
    assert all(text.endswith("separable from every other") for text in answers.values())


def test_learners_that_the_test_does_not_separate_are_named():
    answers = dict(words.answers(a_board(sgd=0.0, adam=0.0005)))
    assert re.search(r"not separable from it: (sgd|adam) \d", answers["Any learner"])


def test_the_headline_counts_the_boards_on_which_an_optimizer_is_not_separable_from_the_best():
    first, second = a_board(sgd=0.05, adam=0.0), a_board(sgd=0.05, adam=0.0)
    assert "sgd is in the best band of all 2 boards" in words.headline([first, second])
    mixed = words.headline([first, second, a_board(sgd=0.0, adam=0.05)])
    assert "sgd, on 2 of 3 boards" in mixed and "depends on the stream" in mixed
    # a board with replay: it is best, but no optimizer alone
    assert "sgd is" in words.headline([a_board(er=0.09, sgd=0.05, adam=0.0)])


def test_without_a_tested_board_there_is_no_headline():
    assert words.headline([]) == "No board has enough seeds for a test yet."


def test_a_learner_without_rivals_is_separable_from_none():
    answers = dict(words.answers(a_board(sgd=0.0, er=0.08)))
    assert re.fullmatch(r"sgd [\d.]+ \[[\d., ]+\], the only one", answers["Optimizer alone"])


def test_the_command_names_options_only_where_a_call_would_not_take_them_by_itself():
    tuned = a_result(a_spec("sgd", 3, lr=0.1, options_from="tuned"))
    assert words.command(tuned) == (
        "python -m nanocl.run --stream split-digits --scenario class --strategy sgd --seeds 3, "
        "--results again"
    )
    given = a_result(a_spec("sgd", 3, lr=0.1, options_from="cli", tier="paper"))
    assert words.command(given).endswith(
        "--tier paper --strategy sgd --seeds 3, --set sgd.lr=0.1 --results again"
    )
    fixed = words.command(tuned, is_newest=False)
    assert fixed.endswith("--seeds 3, --set sgd.lr=0.1 --results again")


def test_text_of_a_record_is_one_word_of_the_command():
    attack = "x; touch $(pwd)/stolen"
    spec = a_spec("sgd", 3, kind=attack, options_from="cli")
    assert f"sgd.kind={attack}" in shlex.split(words.command(a_result(spec)))


@pytest.mark.parametrize(
    ("name", "plugin", "named"),
    [
        ("lion:Lion", "0f" * 8, "--strategy lion.py:Lion"),
        ("my-clip", "0f" * 8, "--strategy my_clip.py"),
        ("my-clip+sgd", "0f" * 8, "--strategy my_clip.py+sgd"),
        ("some.module:Lion", "0f" * 8, "--strategy some.module:Lion"),
        ("avalanche:GEMPlugin", "0f" * 8, "--strategy avalanche:GEMPlugin"),
        ("torch:Muon", "", "--strategy torch:Muon"),
    ],
)
def test_the_command_names_the_file_of_a_users_plugin(name, plugin, named):
    spec = a_spec(name)
    first, *others = spec.strategy
    spec = replace(spec, strategy=(replace(first, plugin=plugin), *others))
    assert f" {named} --seeds" in words.command(a_result(spec))


def test_the_command_names_the_file_of_a_users_stream():
    spec = a_spec()
    spec = replace(spec, protocol="blobs", stream=replace(spec.stream, name="blobs", plugin="0f"))
    assert "--plugin blobs.py" in words.command(a_result(spec))
