"""A run's end is a result or a failure that says why, unless nobody waits for it."""

import gc
import platform
import resource
import sys
import weakref
from pathlib import Path

import pytest
from making import a_result, a_spec

from nanocl.engine.outcomes import outcome_of, outcomes_of
from nanocl.records import RunFailure


def resident():
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_a_worker_gives_the_memory_of_a_run_back():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only the GNU C library can be told to")
    kept = []

    def run_one(spec):
        pieces = [bytearray(2**16) for _ in range(2**11)]  # 128 MiB, none large enough for a map
        kept.append(bytearray(2**16))  # behind them: the C library keeps what lies before
        during.append(resident())
        pieces.clear()
        return a_result(spec)

    during = []
    outcome_of(run_one, a_spec())
    assert resident() < during[0] - 2**26


class Node:
    """Refers to itself, as a learner does by what is called after a mini-batch."""

    def __init__(self):
        self.itself = self


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_keeps_nothing_of_a_run(fails):
    made = []

    def run_one(spec):
        node = Node()
        made.append(weakref.ref(node))
        if fails:
            raise ValueError
        return a_result(spec)

    gc.disable()  # else a collection might happen by chance
    try:
        outcome_of(run_one, a_spec())
        assert made[0]() is None
    finally:
        gc.enable()


def test_a_result_is_passed_on_with_the_values_that_the_run_gets():
    received = []

    def run_one(spec, tell):
        received.append(tell)
        return a_result(spec)

    assert outcome_of(run_one, a_spec(), tell=7) == a_result(a_spec()) and received == [7]


def test_an_error_is_a_failure_with_its_traceback():
    def raises(spec):
        raise ValueError("no such thing")

    outcome = outcome_of(raises, a_spec())
    assert isinstance(outcome, RunFailure) and outcome.error == "ValueError: no such thing"
    assert "in raises" in outcome.details


def test_a_run_that_calls_exit_is_told_as_what_it_is():
    outcome = outcome_of(lambda spec: sys.exit(7), a_spec())
    assert isinstance(outcome, RunFailure) and "called sys.exit(7)" in outcome.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError, ConnectionResetError])
def test_an_end_of_the_caller_is_raised(error):
    def ends(spec):
        raise error

    with pytest.raises(error):
        outcome_of(ends, a_spec())


def test_each_run_of_a_group_has_its_result_in_the_order_in_which_they_end():
    specs = tuple(a_spec("sgd", seed) for seed in range(3))

    def run_group(specs, tell):
        yield from map(a_result, reversed(specs))

    assert list(outcomes_of(run_group, specs, tell=7)) == [*map(a_result, reversed(specs))]


def test_an_error_in_a_group_is_the_failure_of_the_runs_without_a_result():
    specs = tuple(a_spec("sgd", seed) for seed in range(3))

    def run_group(specs):
        yield a_result(specs[1])
        raise ValueError("no such thing")

    first, *failures = outcomes_of(run_group, specs)
    assert first == a_result(specs[1])
    assert [failure.spec for failure in failures] == [specs[0], specs[2]]
    assert {failure.error for failure in failures} == {"ValueError: no such thing"}


def test_a_group_with_too_few_results_is_no_success():
    specs = tuple(a_spec("sgd", seed) for seed in range(2))
    first, missing = outcomes_of(lambda specs: iter([a_result(specs[0])]), specs)
    assert first == a_result(specs[0]) and isinstance(missing, RunFailure)
