"""Every run comes back once, as a result or a failure, whatever happens in its process."""

import functools
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from making import a_result, a_spec
from pretended import run_group, run_one
from small_runs import numbers, spec

from nanocl.engine import local, pools
from nanocl.records import Notice, RunFailure, RunResult
from nanocl.training import entry
from nanocl.training.context import Context


def outcomes(*names, workers=2, messages=None):
    specs = [a_spec(name, seed) for seed, name in enumerate(names)]
    messages = [] if messages is None else messages
    ended = list(local.run_all(run_one, specs, workers=workers, on_progress=messages.append))
    assert sorted(outcome.spec.seed for outcome in ended) == list(range(len(names)))
    return sorted(ended, key=lambda outcome: outcome.spec.seed)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_run_comes_back_with_its_own_result(workers):
    messages = []
    results = outcomes(*["sgd"] * 5, workers=workers, messages=messages)
    assert results == [a_result(a_spec("sgd", seed)) for seed in range(5)]
    assert sorted(progress.digest for progress in messages) == sorted(
        outcome.spec.digest for outcome in results
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


def grouped(name):
    """Three seeds of one group; the outcomes, and the worker that each was told of."""
    specs = [a_spec(name, seed) for seed in range(3)]
    told = []
    ended = local.run_all(
        run_one,
        specs,
        workers=2,
        on_progress=told.append,
        run_group=run_group,
        group=lambda specs: [tuple(specs)],
    )
    return [*ended], told


def test_a_group_is_one_task_with_a_result_for_each_run():
    ended, told = grouped("tells-gpu")
    assert ended == [a_result(a_spec("tells-gpu", seed)) for seed in range(3)]
    workers = {message.text for message in told if isinstance(message, Notice)}
    assert len(workers) == 1


def test_what_a_group_has_not_measured_when_its_worker_dies_is_tried_again_alone():
    ended, _ = grouped("dies-grouped")
    assert sorted(outcome.spec.seed for outcome in ended) == [0, 1, 2]
    assert all(isinstance(outcome, RunResult) for outcome in ended)


def test_leaving_early_ends_the_workers():
    running = local.run_all(run_one, [a_spec("sgd", seed) for seed in range(4)], workers=2)
    next(running)
    running.close()
    assert not [child for child in multiprocessing.active_children() if child.is_alive()]


def test_no_runs_are_no_outcomes():
    assert outcomes() == []


def test_an_idle_worker_that_dies_is_replaced(tmp_path):
    """It ended its run and waits; the next run must not be lost with it."""
    specs = [a_spec(name, seed) for seed, name in enumerate(["sgd", "adam"])]
    outcomes = local.run_all(run_one, specs, workers=1)
    assert next(outcomes) == a_result(specs[0])
    (worker,) = multiprocessing.active_children()
    worker.kill()
    worker.join()
    assert list(outcomes) == [a_result(specs[1])]


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    mark = tmp_path / "pid"
    code = (
        "import functools; from nanocl.engine import local; from making import a_spec; "
        "from pretended import run_one\n"
        f"list(local.run_all(run_one, [a_spec('sleeps@{mark}')], workers=1))"
    )
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{os.environ.get('PYTHONPATH', '')}"}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    while not mark.exists() or not mark.read_text():
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    assert ends(int(mark.read_text()))


def ends(process: int) -> bool:
    """Whether a process is gone within 10 seconds."""
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


class Elsewhere:
    """Reservations of a folder in which another process measures seed 0 for a moment."""

    def __init__(self):
        self.asked, self.released = 0, []

    def take(self, spec):
        if spec.seed == 2:
            return "measured"
        if spec.seed == 0:
            self.asked += 1
            return "busy" if self.asked < 3 else "measured"
        return "taken"

    def release(self, spec):
        self.released.append(spec.seed)

    def release_all(self):
        pass


def test_runs_of_other_processes_are_left_to_them(monkeypatch):
    monkeypatch.setattr(pools, "PAUSE", 0.05)
    specs, elsewhere = [a_spec("sgd", seed) for seed in range(3)], Elsewhere()
    outcomes = list(local.run_all(run_one, specs, workers=1, reservations=elsewhere))
    assert outcomes == [a_result(specs[1])]
    assert elsewhere.released == [1] and elsewhere.asked == 3


@pytest.mark.parametrize(("gpus", "workers"), [(("2", "5"), 4), (("MIG-7",), 3)])
def test_each_worker_sees_one_gpu_and_gpus_have_equally_many_workers(gpus, workers):
    specs = [a_spec("tells-gpu", seed) for seed in range(workers)]
    messages = []
    running = local.run_all(run_one, specs, workers=workers, on_progress=messages.append, gpus=gpus)
    assert len(list(running)) == workers
    told = {message.text for message in messages if isinstance(message, Notice)}
    seen = Counter(text.split()[1] for text in told)
    assert len(told) == workers and seen == dict.fromkeys(gpus, workers // len(gpus))


def test_the_worker_after_one_that_died_takes_its_gpu(tmp_path):
    specs = [a_spec(f"dies-once@{tmp_path / 'mark'}"), *(a_spec("tells-gpu", s) for s in (1, 2))]
    messages = []
    running = local.run_all(run_one, specs, workers=1, on_progress=messages.append, gpus=("0", "1"))
    assert len(list(running)) == 3
    seen = {m.text.split()[1] for m in messages if isinstance(m, Notice)}
    assert seen == {"0"}


@pytest.mark.gpu
def test_two_runs_on_one_gpu_have_the_numbers_of_runs_alone():
    specs = [spec("adamw", seed) for seed in range(2)]
    run = functools.partial(entry.run_one, context=Context(device="cuda", workers=2))
    shared = {one.spec.seed: one for one in local.run_all(run, specs, workers=2, gpus=("0",))}
    for alone in local.run_all(run, specs, workers=1):
        assert numbers(shared[alone.spec.seed]) == numbers(alone)
        assert shared[alone.spec.seed].cost.workers == 2


def test_runs_that_other_processes_have_all_measured_end_the_call_at_once():
    class Measured(Elsewhere):
        def take(self, spec):
            return "measured"

    assert list(local.run_all(run_one, [a_spec()], workers=1, reservations=Measured())) == []
