"""What is measured beside what every record has: which cells of R, and tests within experiences."""

from dataclasses import replace
from itertools import product

import pytest
from making import a_result

from nanocl.records import UserError
from nanocl.records.measuring import Measuring, is_mode, of


@pytest.mark.parametrize(
    ("evaluate", "tested"),
    [
        ("all", [[0, 1, 2, 3]] * 4),
        ("seen", [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]),
        ("last", [[0], [1], [2], [0, 1, 2, 3]]),
        ("every:2", [[0], [0, 1], [2], [0, 1, 2, 3]]),
        ("every:3", [[0], [1], [0, 1, 2], [0, 1, 2, 3]]),
        ("every:9", [[0], [1], [2], [0, 1, 2, 3]]),
    ],
)
def test_each_mode_tests_these_experiences_of_four(evaluate, tested):
    assert [Measuring(evaluate).tests(trained, 4) for trained in range(4)] == tested


@pytest.mark.parametrize(
    ("asked", "recorded"), product(["all", "seen", "every:2", "last"], repeat=2)
)
def test_a_record_is_enough_where_it_tested_all_that_is_asked_for(asked, recorded):
    enough = {
        "all": {"all"},
        "seen": {"all", "seen"},
        "every:2": {"all", "seen", "every:2"},
        "last": {"all", "seen", "every:2", "last"},
    }
    record = replace(a_result(), evaluate=recorded, initial=(0.1,) * 4)
    assert Measuring(asked).is_in(record) == (recorded in enough[asked])


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("seen", "all", "all"),
        ("last", "every:2", "every:2"),
        ("every:2", "every:3", "seen"),
        ("every:2", "every:2", "every:2"),
    ],
)
def test_joined_has_every_test_of_both(one, other, both):
    joined = Measuring(one).joined(Measuring(other, 10))
    assert joined == Measuring(both, 10) == Measuring(other, 10).joined(Measuring(one))
    for part, trained in product((one, other), range(7)):
        assert set(Measuring(part).tests(trained, 7)) <= set(joined.tests(trained, 7))


@pytest.mark.parametrize(
    ("interval", "other", "is_covered"), [(5, 0, True), (5, 5, True), (5, 7, False), (0, 5, False)]
)
def test_tests_within_experiences_cover_those_at_the_same_interval_only(
    interval, other, is_covered
):
    assert Measuring("all", interval).covers(Measuring("seen", other), 4) == is_covered
    assert not Measuring("seen", interval).covers(Measuring("all", other), 4)


def test_tests_within_experiences_are_asked_for_by_their_interval():
    tracked = replace(a_result(), tracking={"every": 10, "points": ()})
    assert of(tracked) == Measuring("all", 10)
    assert Measuring("seen").is_in(tracked) and Measuring("seen", 10).is_in(tracked)
    assert not Measuring("seen", 10).is_in(a_result())
    with pytest.raises(UserError, match="every 10 mini-batches, which would be lost"):
        Measuring("seen", 7).is_in(tracked)


@pytest.mark.parametrize("evaluate", ["every", "every:0", "every:-1", "every:x", "", "sen", "ALL"])
def test_another_word_is_refused_with_what_would_be_right(evaluate):
    assert not is_mode(evaluate)
    with pytest.raises(ValueError, match=r"must be all, seen, last or every:K .* got"):
        Measuring(evaluate)


def test_a_negative_interval_is_refused():
    with pytest.raises(ValueError, match=r"track_every must be at least 1, or 0 .*got -1"):
        Measuring("seen", -1)
