"""A run is measured by one process at a time, and once."""

import multiprocessing

import pytest
from making import a_spec
from pretended import hold

from nanocl.records.reservations import Reservations

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def holder(tmp_path):
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=hold, args=(tmp_path, theirs))
    process.start()
    theirs.close()  # else a dead process would never be noticed
    assert ours.recv() == "taken"
    yield ours, process
    process.kill()
    process.join()


def reservations(folder, measured=False):
    return Reservations(folder, lambda spec: measured)


def test_a_run_that_another_process_holds_is_busy_and_others_are_free(tmp_path, holder):
    mine = reservations(tmp_path)
    assert mine.take(a_spec()) == "busy"
    assert mine.take(a_spec(seed=1)) == "taken"


def test_a_process_that_dies_gives_its_run_back(tmp_path, holder):
    connection, process = holder
    mine = reservations(tmp_path)
    assert mine.take(a_spec()) == "busy"
    connection.send("die")
    process.join()
    assert mine.take(a_spec()) == "taken"


def test_a_run_that_is_measured_is_not_taken_and_its_lock_is_gone(tmp_path):
    assert reservations(tmp_path, measured=True).take(a_spec()) == "measured"
    assert list(tmp_path.iterdir()) == []


def test_a_released_run_can_be_taken_again(tmp_path):
    first, second = reservations(tmp_path), reservations(tmp_path)
    assert first.take(a_spec()) == "taken" and second.take(a_spec()) == "busy"
    first.release(a_spec())
    assert second.take(a_spec()) == "taken"
    second.release_all()
    assert list(tmp_path.iterdir()) == []
