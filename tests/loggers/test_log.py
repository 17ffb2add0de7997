"""The writer of a call: each point once, and a logger that fails stops no run."""

import shutil
from dataclasses import dataclass, field, replace

import pandas as pd
import pytest
from making import a_result

from nanocl.loggers import points
from nanocl.loggers.kinds import Kind
from nanocl.loggers.log import Log
from nanocl.records.curves import Point, ResultSoFar, TrainingPoints

RESULT = a_result()
SPEC = RESULT.spec


@dataclass
class Memory:
    """A logger that keeps what it is given, and fails after so many writes."""

    writes_left: int = 10**6
    points: list = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    def kind(self) -> Kind:
        return Kind(
            self.open, "look", holds=lambda *_: bool(self.points), clear=lambda *_: self.clear()
        )

    def clear(self):
        self.points.clear()

    def open(self, name, facts):
        self.opened += 1
        return self

    def write(self, points):
        if not self.writes_left:
            raise OSError("no space left on\nthe device")
        self.writes_left -= 1
        self.points += points

    def close(self):
        self.closed += 1


def log(tmp_path, *, warned=None, **memories):
    kinds = {name: memory.kind() for name, memory in memories.items()}
    return Log(kinds, tmp_path, [].append if warned is None else warned.append)


def losses(*steps, resumed=False):
    named = tuple(Point("training/loss", n, n / 10) for n in steps)
    return TrainingPoints(SPEC.digest, named, resumed)


def until(count):
    return replace(RESULT, evaluation=RESULT.evaluation[:count], drift=RESULT.drift[:count])


def test_the_messages_of_a_run_become_the_points_of_its_record_each_once(tmp_path):
    memory = Memory()
    with_all = log(tmp_path, a=memory)
    for count in (1, 2, 3):
        with_all.take(SPEC, losses(count))
        with_all.take(SPEC, ResultSoFar(until(count)))
    with_all.record(RESULT)
    expected = [*points.of(RESULT), *(point for n in (1, 2, 3) for point in losses(n).points)]
    assert sorted(memory.points) == sorted(expected)
    assert (memory.opened, memory.closed) == (1, 1)


def test_what_another_call_has_logged_is_not_written_again(tmp_path):
    memory = Memory()
    interrupted = log(tmp_path, a=memory)
    interrupted.take(SPEC, losses(10, 20))
    interrupted.take(SPEC, ResultSoFar(until(2)))
    interrupted.close()
    before = [*memory.points]
    resumed = log(tmp_path, a=memory)
    resumed.take(SPEC, losses(20, 30, resumed=True))  # the checkpoint was written before step 20
    resumed.take(SPEC, ResultSoFar(RESULT))
    resumed.record(RESULT)
    assert len({(one.name, one.step) for one in memory.points}) == len(memory.points)
    added = memory.points[len(before) :]
    assert memory.points == before + added
    assert [one.step for one in added if one.name == "training/loss"] == [30]
    assert {one.step for one in added if one.name == "average_accuracy"} == {3}
    opened = memory.opened
    log(tmp_path, a=memory).record(RESULT)
    assert memory.opened == opened, "nothing new"


def test_a_run_whose_log_was_deleted_is_logged_anew(tmp_path):
    log(tmp_path, a=Memory()).record(RESULT)
    shutil.rmtree(tmp_path / "a")
    again = Memory()
    log(tmp_path, a=again).record(RESULT)
    assert again.points == [*points.of(RESULT)]


def test_a_logger_that_fails_is_given_up_with_one_warning_and_the_others_go_on(tmp_path):
    full, fine, warned = Memory(writes_left=1), Memory(), []
    both = log(tmp_path, warned=warned, full=full, fine=fine)
    for step in (1, 2, 3):
        both.take(SPEC, losses(step))
    both.record(RESULT)
    both.close()
    assert [one.step for one in full.points] == [1]
    assert len(fine.points) == 3 + len([*points.of(RESULT)])
    assert warned == [
        "--log full was given up, the runs go on without it: no space left on the device"
    ]
    assert "fine" in both.where() and "full" not in both.where()


def test_a_logger_that_cannot_begin_is_given_up_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise ConnectionError

    monkeypatch.setattr("nanocl.loggers.comma_separated.kind", refuse)
    warned = []
    made = Log.of(("csv",), tmp_path, warned.append)
    assert not made.kinds and warned == [
        "--log csv was given up, the runs go on without it: ConnectionError"
    ]
    made.record(RESULT)


@pytest.mark.parametrize("blocked", [True, False])
def test_a_folder_that_cannot_be_written_stops_no_run(tmp_path, blocked):
    if blocked:
        (tmp_path / "csv").write_text("a file where the folder should be")
    warned = []
    made = Log.of(("csv",), tmp_path, warned.append)
    made.record(RESULT)
    assert len(warned) == blocked
    files = [*tmp_path.rglob("curves.csv")]
    assert len(files) == (not blocked)
    assert all(len(pd.read_csv(file)) == len([*points.of(RESULT)]) for file in files)
