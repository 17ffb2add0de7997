"""What was written is remembered for each place; a run that begins anew leaves no old points."""

from dataclasses import replace

import pandas as pd
import pytest
from filelock import FileLock
from making import a_result

from nanocl.loggers import written
from nanocl.loggers.comma_separated import FILE
from nanocl.loggers.facts import name_of
from nanocl.loggers.log import Log
from nanocl.records.curves import Point, ResultSoFar, TrainingPoints

RESULT = a_result()
SPEC = RESULT.spec


def csv(tmp_path, *, warned=None):
    return Log.of(("csv",), tmp_path, [].append if warned is None else warned.append)


def losses(value, *steps, resumed=False):
    named = tuple(Point("training/loss", step, value) for step in steps)
    return TrainingPoints(SPEC.digest, named, resumed)


def log_whole(tmp_path, result, loss):
    log = csv(tmp_path)
    log.take(SPEC, losses(loss, 10, 20, 30))
    log.take(SPEC, ResultSoFar(result))
    log.record(result)


def curves(tmp_path):
    """The logged values by curve and step; each step of a curve must be there once."""
    frame = pd.read_csv(tmp_path / "csv" / name_of(SPEC) / FILE)
    values = frame.set_index(["curve", "step"])["value"]
    assert values.index.is_unique, "a point is doubled"
    return values


def measured_anew():
    """The record of the same run with other numbers."""
    rows = tuple(tuple(value and value / 2 for value in row) for row in RESULT.evaluation)
    return replace(RESULT, evaluation=rows)


def test_a_run_that_is_trained_again_leaves_nothing_of_its_earlier_curves(tmp_path):
    log_whole(tmp_path, RESULT, 0.5)
    again = csv(tmp_path)
    again.take(SPEC, losses(0.25, 10, 20))
    again.record(measured_anew())
    found = curves(tmp_path)
    assert dict(found["training/loss"]) == {10: 0.25, 20: 0.25}
    expected = measured_anew().evaluation[2][0]
    assert found["accuracy/experience_1", 3] == pytest.approx(expected, rel=1e-12)


def test_a_record_that_replaced_the_logged_one_is_logged_in_its_place(tmp_path):
    log_whole(tmp_path, RESULT, 0.5)
    csv(tmp_path).record(RESULT)
    assert "training/loss" in curves(tmp_path), "the same numbers: nothing is lost"
    csv(tmp_path).record(measured_anew())
    found = curves(tmp_path)
    assert found["accuracy/experience_1", 3] == measured_anew().evaluation[2][0]
    assert "training/loss" not in found, "those losses led to other numbers"


def test_a_deleted_file_of_curves_is_written_again(tmp_path):
    log_whole(tmp_path, RESULT, 0.5)
    (tmp_path / "csv" / name_of(SPEC) / FILE).unlink()
    csv(tmp_path).record(RESULT)
    assert curves(tmp_path)["accuracy/experience_1", 3] == RESULT.evaluation[2][0]


def test_two_calls_that_log_one_run_at_the_same_time_write_each_point_once(tmp_path):
    trains, finds_its_record = csv(tmp_path), csv(tmp_path)
    trains.take(SPEC, losses(0.5, 10))
    finds_its_record.record(RESULT)
    trains.take(SPEC, ResultSoFar(RESULT))
    finds_its_record.record(RESULT)
    trains.record(RESULT)
    assert dict(curves(tmp_path)["training/loss"]) == {10: 0.5}


def test_a_call_that_cannot_get_its_turn_gives_the_logger_up_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(written, "PATIENCE", 0.01)
    (tmp_path / "csv").mkdir()
    warned = []
    with FileLock(tmp_path / "csv" / written.LOCK):
        csv(tmp_path, warned=warned).record(RESULT)
    (sentence,) = warned
    assert "another call has held" in sentence and not [*tmp_path.rglob(FILE)]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"folder": 3}', '{"folder": {"a": [1]}}', "{" * 9000, '{"a": {"b": 3}}']
)
def test_a_damaged_memory_of_a_log_is_one_sentence_and_the_log_begins_anew(tmp_path, content):
    log_whole(tmp_path, RESULT, 0.5)
    path = tmp_path / "csv" / name_of(SPEC) / written.WRITTEN
    path.write_text(content)
    warned = []
    csv(tmp_path, warned=warned).record(RESULT)
    (sentence,) = warned
    assert sentence.startswith(f"{path} is damaged, so the curves of its run begin anew: ")
    assert curves(tmp_path)["accuracy/experience_1", 3] == RESULT.evaluation[2][0]
    csv(tmp_path, warned=warned).record(RESULT)
    assert len(warned) == 1, "it is whole again"


def test_a_place_that_has_not_the_points_gets_them_whatever_another_place_has(tmp_path):
    places = {"one": [], "two": []}

    def log(address):
        points = places[address]
        made = csv(tmp_path)
        made.kinds["csv"] = replace(
            made.kinds["csv"],
            open=lambda *_: _List(points),
            holds=lambda *_: bool(points),
            clear=lambda *_: points.clear(),
            address=address,
        )
        return made

    first = log("one")
    first.take(SPEC, losses(0.5, 10))
    first.close()
    log("two").record(RESULT)
    log("one").record(RESULT)
    assert [*places["one"]] == [losses(0.5, 10).points[0], *places["two"]]
    sizes = {address: len(points) for address, points in places.items()}
    for address in places:
        log(address).record(RESULT)
    assert {address: len(points) for address, points in places.items()} == sizes


class _List:
    def __init__(self, points):
        self.points = points

    def write(self, points):
        self.points += points

    def close(self):
        pass
