"""Every run comes back once, as a result or a failure, whatever happens in its process."""

import pytest
from making import a_result, a_spec
from pretended import run_one

from nanocl.engine import local
from nanocl.records import RunFailure, RunResult


def outcomes(*names, workers=2, told=None):
    specs = [a_spec(name, seed) for seed, name in enumerate(names)]
    found = list(
        local.run_all(
            run_one, specs, workers=workers, on_progress=(told if told is not None else []).append
        )
    )
    assert sorted(outcome.spec.seed for outcome in found) == list(range(len(names)))
    return sorted(found, key=lambda outcome: outcome.spec.seed)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_run_comes_back_with_its_own_result(workers):
    told = []
    found = outcomes(*["sgd"] * 5, workers=workers, told=told)
    assert found == [a_result(a_spec("sgd", seed)) for seed in range(5)]
    assert sorted(progress.digest for progress in told) == sorted(
        outcome.spec.digest for outcome in found
    )


def test_what_goes_wrong_in_a_run_is_a_failure_of_that_run_alone():
    raised, exited, fine = outcomes("raises", "exits", "sgd", workers=1)
    assert isinstance(raised, RunFailure) and raised.error == "ValueError: no such thing"
    assert "run_one" in raised.details
    assert isinstance(exited, RunFailure) and "sys.exit(3)" in exited.error
    assert isinstance(fine, RunResult)


def test_a_worker_that_dies_is_tried_again_and_takes_no_other_run_with_it(tmp_path):
    dead, again, fine = outcomes("dies", f"dies-once@{tmp_path / 'mark'}", "sgd")
    assert isinstance(dead, RunFailure) and f"died {local.TRIES} times (exit code 9)" in dead.error
    assert isinstance(again, RunResult) and isinstance(fine, RunResult)


def test_leaving_early_ends_the_workers():
    running = local.run_all(run_one, [a_spec("sgd", seed) for seed in range(4)], workers=2)
    next(running)
    running.close()
    assert not [child for child in local.multiprocessing.active_children() if child.is_alive()]


def test_no_runs_are_no_outcomes():
    assert outcomes() == []
