"""From a folder that is no results folder, those that were meant are found."""

import pytest

from nanocl.records import places


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """A grid of shards: runs, and of the last one records of own trainings only."""
    for place in ("1/runs/digits/er/s0.json", "2/runs/a/b.json", "3/studies/byo/mine.json"):
        path = tmp_path / "grid" / "shards" / place
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    (tmp_path / "grid" / "shards" / "4").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "grid" / "shards"


def test_folders_at_any_depth_below_are_found(shards):
    three = [shards / number for number in "123"]
    assert places.meant(shards) == three
    assert places.meant(shards.parent) == three and places.meant(shards.parent.parent) == three


@pytest.mark.parametrize("inside", ["runs", "runs/digits", "runs/digits/er"])
def test_the_results_folder_above_is_found(shards, inside, monkeypatch):
    (above,) = places.meant(shards / "1" / inside)
    assert above.resolve() == shards / "1" and not above.is_absolute()
    monkeypatch.chdir(shards / "1" / inside)
    assert [path.resolve() for path in places.meant(type(shards)("."))] == [shards / "1"]


def test_a_learner_or_protocol_of_the_name_of_a_room_is_no_results_folder(shards):
    path = shards / "1" / "runs" / "probes" / "studies" / "s0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert places.meant(shards) == [shards / number for number in "123"]


def test_only_a_folder_with_files_in_the_places_of_records_has_records(shards):
    assert places.has_records(shards / "1") and places.has_records(shards / "3")
    assert not places.has_records(shards / "4") and places.meant(shards / "4") == []
