"""Results folders become one, and nothing is lost, replaced or taken unread."""

import dataclasses
import json

import pytest
from made_probes import save_probe
from making import a_cost, a_drift, a_result, a_spec, shifted

from nanocl.records import UserError, store
from nanocl.records.encoding import sealed
from nanocl.records.merging import merge
from nanocl.records.reservations import Reservations


def folder_of(root, *results):
    root.mkdir(exist_ok=True)
    for result in results:
        store.save(result, root)
    return root


def result(seed, **values):
    return a_result(a_spec(seed=seed), **values)


def digests(root):
    loaded, problems = store.load_all(root)
    assert not problems
    return {record.spec.digest: record for record in loaded}


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_records_of_all_folders_are_in_one_byte_for_byte(tmp_path):
    folders = [folder_of(tmp_path / str(seed), result(seed)) for seed in range(3)]
    done = merge(folders, tmp_path / "all")
    expected = {}
    for folder in folders:
        expected |= contents(folder)
    assert contents(tmp_path / "all") == expected and len(done.copied) == 3


def test_probes_and_records_of_studies_are_merged_too(tmp_path):
    source, destination = tmp_path / "a", tmp_path / "all"
    probe = save_probe(source)
    study = source / "studies" / "made" / "one-0123.json"
    study.parent.mkdir(parents=True)
    study.write_text(json.dumps(sealed({"schema": "nanocl-study/2", "digest": "0123"})))
    merge([source], destination)
    for path in (probe, study):
        assert (destination / path.relative_to(source)).read_bytes() == path.read_bytes()


def test_a_second_merge_copies_nothing(tmp_path):
    source, destination = folder_of(tmp_path / "a", result(0)), tmp_path / "all"
    merge([source], destination)
    again = merge([source, source], destination)
    assert again.copied == [] and again.equal == 1


def test_damaged_records_are_named_and_left_and_the_others_are_merged(tmp_path):
    source = folder_of(tmp_path / "a", result(0), result(1), result(2))
    damaged, older, _ = sorted((source / "runs").rglob("*.json"))
    damaged.write_text(damaged.read_text().replace("0.9", "0.8"))
    older.write_text(older.read_text().replace("nanocl-result/2", "nanocl-result/1"))
    done = merge([source], tmp_path / "all")
    assert [problem.path for problem in done.refused] == [damaged, older]
    assert "checksum" in done.refused[0].reason and "migrate" in done.refused[1].reason
    assert len(digests(tmp_path / "all")) == 1


def test_other_numbers_of_one_run_are_an_error_that_names_both_files(tmp_path):
    one = folder_of(tmp_path / "a", result(0), result(1))
    other = folder_of(tmp_path / "b", result(0, evaluation=shifted(0.01)), result(2))
    with pytest.raises(UserError) as caught:
        merge([one, other], tmp_path / "all")
    path = store.path_of(a_spec(seed=0), one).relative_to(one)
    assert str(one / path) in str(caught.value) and str(other / path) in str(caught.value)
    assert "differ in evaluation" in str(caught.value)
    assert not (tmp_path / "all").exists()


def test_a_conflict_with_the_destination_changes_nothing_there(tmp_path):
    destination = folder_of(tmp_path / "all", result(0))
    before = contents(destination)
    other = folder_of(tmp_path / "b", result(0, evaluation=shifted(0.01)), result(1))
    with pytest.raises(UserError, match="nothing was merged"):
        merge([other], destination)
    assert contents(destination) == before


def test_equal_numbers_at_another_cost_keep_the_first_and_say_so(tmp_path):
    one = folder_of(tmp_path / "a", result(0))
    other = folder_of(tmp_path / "b", result(0, cost=a_cost(train_seconds=99.0)))
    done = merge([one, other], tmp_path / "all")
    assert len(done.kept) == 1 and done.kept[0].startswith(f"kept {one}")
    assert done.kept[0].endswith("equal numbers and other cost")
    (record,) = digests(tmp_path / "all").values()
    assert record.cost == a_cost()


@pytest.mark.parametrize(
    "change",
    [
        {"initial": (0.1, 0.2, 0.30000000000000004)},
        {"drift": ()},
        {"measure": "loss"},
        {"masked": {"initial": (0.5, 0.5, 0.5), "evaluation": a_result().evaluation}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_difference_in_the_last_bit_of_any_measurement_is_a_conflict(tmp_path, change):
    one, other = tmp_path / "a", tmp_path / "b"
    usual = result(0)
    if "drift" in change:
        change = {"drift": (*usual.drift[:-1], a_drift(distance=3.0000000000000004))}
    folder_of(one, usual)
    folder_of(other, dataclasses.replace(usual, **change))
    with pytest.raises(UserError, match=f"differ in {next(iter(change))}"):
        merge([one, other], tmp_path / "all")


def test_a_run_that_another_call_measures_there_is_left_to_it(tmp_path):
    source, destination = folder_of(tmp_path / "a", result(0), result(1)), tmp_path / "all"
    other_call = Reservations(destination / ".part", lambda spec: False)
    assert other_call.take(a_spec(seed=0)) == "taken"
    done = merge([source], destination)
    assert len(done.refused) == 1 and "another call measures this run" in done.refused[0].reason
    assert list(digests(destination)) == [a_spec(seed=1).digest]
    other_call.release_all()
    assert len(merge([source], destination).copied) == 1
    assert len(digests(destination)) == 2


def test_a_damaged_file_of_the_destination_is_not_replaced(tmp_path):
    source = folder_of(tmp_path / "a", result(0))
    destination = folder_of(tmp_path / "all", result(0))
    (path,) = (destination / "runs").rglob("*.json")
    path.write_text("{}")
    with pytest.raises(UserError, match=r"nothing was merged.*repair or delete it"):
        merge([source], destination)
    assert path.read_text() == "{}"


@pytest.mark.parametrize("names", [[], ["none"], ["all"], ["a", "none"]])
def test_folders_that_cannot_be_merged_are_refused(tmp_path, names):
    folder_of(tmp_path / "a", result(0))
    folder_of(tmp_path / "all")
    with pytest.raises(UserError, match=r"merge takes|does not exist|into itself"):
        merge([tmp_path / name for name in names], tmp_path / "all")


def test_files_that_are_no_records_stay_and_are_counted(tmp_path):
    source = folder_of(tmp_path / "a", result(0))
    (source / "LEADERBOARD.md").write_text("a page")
    (source / ".part").mkdir()
    (source / ".part" / "0123.pt").write_bytes(b"a checkpoint")
    done = merge([source], tmp_path / "all")
    assert done.others == 2 and not (tmp_path / "all" / "LEADERBOARD.md").exists()


SEEN = tuple(
    tuple(value if j <= i else None for j, value in enumerate(row))
    for i, row in enumerate(a_result().evaluation)
)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_two_records_with_the_same_numbers_the_one_with_more_tests_is_kept(tmp_path, order):
    usual = result(0)
    fewer = dataclasses.replace(usual, evaluation=SEEN, evaluate="seen")
    folder_of(tmp_path / "a", usual)
    folder_of(tmp_path / "b", fewer)
    destination = tmp_path / "all"
    done = merge([tmp_path / name for name in order], destination)
    assert list(digests(destination).values()) == [usual] and len(done.kept) == 1
    assert merge([tmp_path / "b"], destination).copied == []


def test_a_record_with_more_tests_takes_the_place_of_one_in_the_destination(tmp_path):
    usual = result(0)
    destination = tmp_path / "all"
    folder_of(destination, dataclasses.replace(usual, evaluation=SEEN, evaluate="seen"))
    merge([folder_of(tmp_path / "a", usual)], destination)
    assert list(digests(destination).values()) == [usual]


def test_of_two_records_that_track_at_different_intervals_the_first_is_kept(tmp_path):
    every_2, every_3 = (
        dataclasses.replace(result(0), tracking={"every": interval, "points": ()})
        for interval in (2, 3)
    )
    folders = [folder_of(tmp_path / "a", every_3), folder_of(tmp_path / "b", every_2)]
    done = merge(folders, tmp_path / "all")
    assert list(digests(tmp_path / "all").values()) == [every_3]
    (line,) = done.kept
    assert (
        "b/runs" in line.split(";")[1] and "tests that it lacks (--evaluate all --track-e" in line
    )


def test_a_record_whose_tests_are_not_merged_is_named_with_those_tests(tmp_path):
    usual = result(0)
    tracked = dataclasses.replace(
        usual, evaluation=SEEN, evaluate="seen", tracking={"every": 5, "points": ()}
    )
    folders = [folder_of(tmp_path / "a", usual), folder_of(tmp_path / "b", tracked)]
    (line,) = merge(folders, tmp_path / "all").kept
    assert line.endswith("lacks (--evaluate seen --track-every 5), which are not merged")


def test_records_with_other_tests_are_a_conflict_where_both_tested_and_differ(tmp_path):
    changed = tuple((0.25, *row[1:]) for row in SEEN)
    fewer = dataclasses.replace(result(0), evaluation=changed, evaluate="seen")
    folders = [folder_of(tmp_path / "a", result(0)), folder_of(tmp_path / "b", fewer)]
    with pytest.raises(UserError, match="differ in evaluation"):
        merge(folders, tmp_path / "all")


def test_a_folder_above_or_below_results_folders_is_refused_with_the_ones_to_name(tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    first, _ = (folder_of(shards / str(seed), result(seed)) for seed in range(2))
    for wrong, right in ((shards, f"{first} "), (first / "runs", f"{first}")):
        with pytest.raises(UserError, match=r"is no results folder; name") as refused:
            merge([wrong], tmp_path / "all")
        assert str(wrong) in str(refused.value) and right in f"{refused.value} "
    assert not (tmp_path / "all").exists()


def test_a_folder_without_any_record_is_named_beside_others_and_refused_alone(tmp_path):
    source = tmp_path / "of a shard without runs"
    source.mkdir()
    (source / "page.md").write_text("a page")
    done = merge([folder_of(tmp_path / "a", result(0)), source], tmp_path / "all")
    assert len(done.copied) == 1 and done.empty == [f"{source} has no records"]
    assert done.others == 1
    looked = r"no record in .*without runs', nor above or below: looked for runs/\*\*/\*\.json"
    with pytest.raises(UserError, match=looked):
        merge([source], tmp_path / "other")
    assert not (tmp_path / "other").exists()
