"""Seeds of one learner share a task, as far as every worker has one."""

import pytest
from making import a_spec

from nanocl.training import grouping


def tasks(specs, *, workers=1, fewest=2, alone=()):
    names = {spec.strategy[0].name: spec for spec in specs}
    obstacles = {
        grouping.learner_of(spec): "a reason" if name in alone else ""
        for name, spec in names.items()
    }
    made = grouping.tasks(specs, obstacles=obstacles, workers=workers, fewest=fewest)
    return [[(spec.strategy_name, spec.seed) for spec in task] for task in made]


def seeds(name, count):
    return [a_spec(name, seed) for seed in range(count)]


def sizes(made):
    return [len(task) for task in made]


def test_seeds_of_one_learner_are_a_group_and_others_are_not():
    made = tasks([*seeds("sgd", 2), *seeds("adam", 2)])
    assert made == [[("sgd", 0), ("sgd", 1)], [("adam", 0), ("adam", 1)]]


def test_runs_that_differ_in_more_than_the_seed_share_no_group():
    specs = [a_spec("sgd", 0), a_spec("sgd", 1, epochs=2), a_spec("sgd", 2, scenario="task")]
    assert sizes(tasks(specs)) == [1, 1, 1]


def test_a_learner_with_an_obstacle_is_trained_alone():
    made = tasks([*seeds("sgd", 2), *seeds("ewc", 2)], alone=["ewc"])
    assert made == [[("sgd", 0), ("sgd", 1)], [("ewc", 0)], [("ewc", 1)]]


def test_a_learner_that_nobody_looked_at_is_trained_alone():
    made = grouping.tasks(seeds("sgd", 2), obstacles={}, workers=1, fewest=2)
    assert sizes(made) == [1, 1]


@pytest.mark.parametrize(
    ("count", "workers", "expected"),
    [(10, 1, [10]), (10, 2, [5, 5]), (10, 3, [3, 3, 2, 2]), (3, 8, [1, 1, 1]), (20, 1, [10, 10])],
)
def test_no_worker_is_left_without_a_task_and_groups_are_even(count, workers, expected):
    assert sizes(tasks(seeds("sgd", count), workers=workers)) == expected


def test_groups_that_would_be_too_small_are_single_runs():
    assert sizes(tasks(seeds("sgd", 9), workers=2, fewest=5)) == [1] * 9
    assert sizes(tasks(seeds("sgd", 10), workers=2, fewest=5)) == [5, 5]


def test_every_spec_is_in_one_task():
    specs = [*seeds("sgd", 37), *seeds("adam", 5)]
    made = tasks(specs, workers=3)
    assert sorted(run for task in made for run in task) == sorted(
        (spec.strategy_name, spec.seed) for spec in specs
    )


def test_on_a_cpu_more_seeds_are_needed_unless_asked_for():
    assert grouping.fewest("auto", "cpu") == grouping.FEWEST_ON_CPU
    assert grouping.fewest("auto", "cuda") == grouping.fewest("on", "cpu") == 2
