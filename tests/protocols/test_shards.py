"""The parts of a grid are disjoint, complete, and equal in learners."""

from collections import Counter

import pytest
from making import a_spec

from nanocl.protocols.shards import Shard, parse
from nanocl.records import UserError

LEARNERS = ("sgd", "adamw", "ewc+adamw", "er", "joint")


def grid(seeds):
    return [a_spec(name, seed) for seed in range(seeds) for name in LEARNERS]


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 15, 40])
def test_the_parts_are_disjoint_together_the_grid_and_equal_to_one_run(seeds, count):
    specs = grid(seeds)
    parts = [Shard(number, count).of(specs) for number in range(1, count + 1)]
    everything = [spec for part in parts for spec in part]
    assert sorted(spec.digest for spec in everything) == sorted(spec.digest for spec in specs)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_each_part_has_each_learner_as_often_as_any_other_to_one_run(count):
    specs = grid(seeds=5)
    parts = [Shard(number, count).of(specs) for number in range(1, count + 1)]
    for name in LEARNERS:
        counts = [Counter(spec.strategy_name for spec in part)[name] for part in parts]
        assert max(counts) - min(counts) <= 1, name


def test_the_runs_of_a_part_keep_the_order_of_the_grid():
    specs = grid(seeds=4)
    part = Shard(2, 3).of(specs)
    assert part == [spec for spec in specs if spec in part]


def test_a_part_is_written_as_its_number_and_how_many_there_are():
    assert parse("2/5") == Shard(2, 5) and parse("") == Shard(1, 1)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "1", "/", "a/b", "-1/3", "1/3/5", "1.5/3"])
def test_what_is_no_part_is_refused_with_what_would_be_right(text):
    with pytest.raises(UserError, match=r"--shard takes I/N with I from 1 to N.*got"):
        parse(text)
