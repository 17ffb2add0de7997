"""A call whose processes are killed again and again measures what an undisturbed one measures."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from commands import command, started
from processes import workers_of
from small_runs import numbers, spec

from nanocl.records import store
from nanocl.records.measuring import Measuring
from nanocl.training import experiment
from nanocl.training.context import Context

INTERVAL = 0.1  # seconds between checkpoints
SLACK = 1.0  # to write one, on a busy machine
KILLS = 5
ONCE = 200  # epochs that leave time for one kill
DIGITS = "split-digits"
PAIRS = [
    (DIGITS, "task", "nanoadam"),
    (DIGITS, "class", "er+adamw"),
    (DIGITS, "class", "derpp+microadam"),
    (DIGITS, "domain", "ewc+sgd"),
    (DIGITS, "task", "lwf+mofo"),
    (DIGITS, "domain", "si+adam"),
    (DIGITS, "class", "a-gem+lift"),
    (DIGITS, "class", "joint+adamw"),
    (DIGITS, "task", "lora"),
    ("permuted-mnist", "domain", "online-ewc+nanoadam"),
    ("rotated-mnist", "domain", "pafi"),
    ("split-mnist", "class", "er+lwf+cautious-adamw"),
    ("split-cifar10", "task", "ewc+nanoadam"),
]


def words(stream, scenario, strategy, epochs):
    chosen = ("--stream", stream, "--scenario", scenario, "--strategy", strategy)
    often = ("--checkpoint-minutes", str(INTERVAL / 60), "--set", f"training.epochs={epochs}")
    return (*chosen, "--tier", "smoke", "--seeds", "1", "--workers", "1", *often)


def result_of(folder: Path):
    (result,), problems = store.load_all(folder / "results")
    assert not problems
    return numbers(result), result.cost.steps


def newest(folder: Path) -> float:
    """When the last checkpoint was written; 0 without one."""
    return max((path.stat().st_mtime for path in folder.glob("*.pt")), default=0.0)


def kill_while_it_trains(call, folder: Path, rng: random.Random, *, worker: bool) -> bool:
    """Kill the call or its worker some time after a checkpoint; False if it had ended before."""
    since = time.time()
    while newest(folder) < since:
        if call.poll() is not None:
            return False
        time.sleep(0.01)
    time.sleep(rng.random() * 3 * INTERVAL)
    victims = workers_of(call.pid) if worker else [call.pid]
    if not victims or call.poll() is not None:
        return False
    written = newest(folder)
    if not written:  # the run is stored already
        return False
    os.kill(victims[0], signal.SIGKILL)
    # what was trained since the last checkpoint is lost, and no more
    assert time.time() - written < INTERVAL + SLACK
    return True


def survive(tmp_path: Path, arguments, kills: int) -> int:
    """Run a call to its end in spite of kills; returns how many processes were killed."""
    rng, killed = random.Random(str(arguments)), 0
    folder = tmp_path / "results" / ".part"
    for number in range(kills):
        call = started(*arguments, cwd=tmp_path)
        try:
            if number % 2:  # a worker first: the call goes on with another one
                killed += kill_while_it_trains(call, folder, rng, worker=True)
            killed += kill_while_it_trains(call, folder, rng, worker=False)
        finally:
            if call.poll() is None:
                os.killpg(call.pid, signal.SIGKILL)
            call.communicate()
    shown = command(*arguments, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert not shown.stderr.count("Traceback") and not list(folder.iterdir())
    return killed


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_call_goes_on_when_its_worker_is_killed_and_the_numbers_are_the_same(tmp_path):
    arguments = words(*PAIRS[0], ONCE)
    call = started(*arguments, cwd=tmp_path)
    folder = tmp_path / "results" / ".part"
    assert kill_while_it_trains(call, folder, random.Random(0), worker=True)
    _, said = call.communicate(timeout=300)
    assert call.returncode == 0 and "Traceback" not in said
    run = spec("nanoadam", scenario="task", settings={"training": {"epochs": str(ONCE)}})
    alone = experiment.run_one(run, Context(measuring=Measuring("seen")))
    store.save(alone, tmp_path / "alone" / "results")
    assert result_of(tmp_path) == result_of(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_many_kills_change_no_number(tmp_path, pair, request):
    if pair[0] != DIGITS:
        request.getfixturevalue("data_root")
    _compare(tmp_path, pair, KILLS)


def _compare(tmp_path, pair, kills):
    arguments = words(*pair, 500 if pair[0] == DIGITS else 12)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = command(*arguments, cwd=tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    killed = survive(tmp_path / "killed", arguments, kills)
    assert killed >= kills
    assert result_of(tmp_path / "killed") == result_of(tmp_path / "whole")
    print(f"{' '.join(pair)}: {killed} processes killed")
