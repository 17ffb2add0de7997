"""Records on disk: what is saved comes back, and what cannot be trusted is named."""

import dataclasses
import json
import math
import random

import pytest
from making import MATRIX, a_result, a_spec

from nanocl.records import UserError, encoding, store


def one_record(root):
    return store.save(a_result(), root)


def edited(path, **values):
    """Change a record and give it the checksum of its new content."""
    record = encoding.sealed({**json.loads(path.read_text()), **values})
    path.write_text(json.dumps(record))
    return path


def test_a_record_comes_back_equal_and_every_float_keeps_its_bits(tmp_path):
    rng = random.Random(0)
    matrix = tuple(
        tuple(rng.random() * 10.0 ** rng.randint(-300, 0) for _ in range(3)) for _ in range(3)
    )
    result = a_result(a_spec(lr=0.1 + 0.2), matrix, masked=MATRIX)
    path = store.save(result, tmp_path)
    (loaded,), problems = store.load_all(tmp_path)
    assert problems == []
    assert loaded == result
    assert [v.hex() for row in loaded.evaluation for v in row] == [
        v.hex() for row in matrix for v in row
    ]
    assert path == tmp_path / "runs" / "split-digits" / "sgd" / f"s0-{result.spec.digest}.json"


def test_a_record_has_exactly_the_published_keys_in_order(tmp_path):
    assert list(json.loads(one_record(tmp_path).read_text())) == [
        "schema",
        "digest",
        "checksum",
        "spec",
        "status",
        "measure",
        "initial",
        "evaluation",
        "masked",
        "drift",
        "cost",
        "data",
        "environment",
    ]


def test_saving_twice_writes_identical_bytes_and_leaves_no_temporary_file(tmp_path):
    path = one_record(tmp_path)
    before = path.read_bytes()
    assert one_record(tmp_path).read_bytes() == before
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_values_that_are_not_finite_are_never_written(tmp_path):
    rows = ((0.9, 0.1, math.nan), (math.inf, 0.2, 0.3))
    path = store.save(a_result(evaluation=rows, status="diverged"), tmp_path)
    assert "NaN" not in path.read_text() and "Infinity" not in path.read_text()
    (loaded,), _ = store.load_all(tmp_path)
    assert loaded.evaluation == ((0.9, 0.1, None), (None, 0.2, 0.3))


def test_a_result_that_breaks_the_schema_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="status"):
        store.save(a_result(status="fine"), tmp_path)
    with pytest.raises(ValueError, match="3 rows with a number for each"):
        store.save(a_result(evaluation=MATRIX[:2]), tmp_path)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_text(path.read_text()[:100]), "not JSON"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "decode"),
        (lambda path: path.write_text("[" * 100_000), "nested deeper"),
        (lambda path: path.write_text("[]"), 'not of type "object"'),
        (lambda path: path.write_text(path.read_text().replace("0.9", "NaN", 1)), "NaN"),
        (lambda path: edited(path, digest="0" * 12), "hashes to"),
        (lambda path: edited(path, measure="speed"), "measure"),
        (lambda path: edited(path, schema="nanocl-result/0"), "newer format nanocl-result/0"),
        (lambda path: edited(path, schema="nanocl-result/1"), "it has the older format"),
        (lambda path: edited(path, schema=None), "schema"),
        (lambda path: edited(path, extra=1), "extra"),
        (
            lambda path: edited(path, evaluation=[[0.1, 0.2, None]] * 3),
            "3 rows with a number for each",
        ),
        (lambda path: path.rename(path.with_name("s1-" + path.name[3:])), "belongs at"),
    ],
)
def test_a_bad_record_is_named_and_skipped_and_the_others_are_read(tmp_path, damage, reason):
    good = a_result(a_spec("adam"))
    store.save(good, tmp_path)
    damage(one_record(tmp_path))
    results, (problem,) = store.load_all(tmp_path)
    assert results == [good]
    assert problem.path.parent.name == "sgd" and problem.path.name in str(problem)
    assert reason in problem.reason and "\n" not in problem.reason
    assert str(problem).count(problem.path.name) == 1 or "belongs" in problem.reason


@pytest.mark.parametrize(
    "old", ['"train_seconds":10.0', '"l2":1.0', '"deciles":[0.1', '"evaluation": [[0.9']
)
def test_a_number_too_large_for_any_float_is_refused(tmp_path, old):
    path = one_record(tmp_path)
    assert old in path.read_text()
    path.write_text(
        path.read_text().replace(old, old[: -len(old.split(":")[1].strip("[ "))] + "1e999", 1)
    )
    _, (problem,) = store.load_all(tmp_path)
    assert "must be" in problem.reason


def test_losses_may_be_any_finite_number(tmp_path):
    store.save(
        a_result(evaluation=((3.0, 4.0, 5.0),) * 3, initial=(9.0,) * 3, measure="loss"), tmp_path
    )
    assert len(store.load_all(tmp_path)[0]) == 1


def test_the_task_incremental_view_may_leave_out_experiences_not_met_yet(tmp_path):
    none = ((0.9, None, None), (0.7, 0.8, None), (0.5, 0.6, 0.7))
    store.save(a_result(masked=none), tmp_path)
    assert store.load_all(tmp_path)[0][0].masked["evaluation"] == none
    with pytest.raises(ValueError, match="3 rows with a number for each"):
        store.save(
            a_result(masked=((0.9, None, None), (None, 0.8, None), (0.5, 0.6, 0.7))), tmp_path
        )
    with pytest.raises(ValueError, match="3 rows with a number for each"):
        store.save(a_result(evaluation=none), tmp_path)


def test_a_damaged_record_is_named_before_a_new_run_replaces_it(tmp_path):
    specs = [a_spec(seed=seed) for seed in range(3)]
    paths = [store.save(a_result(spec), tmp_path) for spec in specs[:2]]
    assert store.damaged(specs, tmp_path) == []
    paths[0].write_text("{")
    (problem,) = store.damaged(specs, tmp_path)
    assert problem.path == paths[0] and "not JSON" in problem.reason


def test_missing_lists_the_runs_without_a_readable_record(tmp_path):
    specs = [a_spec(seed=seed) for seed in range(3)]
    assert store.missing(specs, tmp_path) == specs
    paths = [store.save(a_result(spec), tmp_path) for spec in specs[:2]]
    assert store.missing(specs, tmp_path) == specs[2:]
    paths[0].write_text("{}")
    assert store.missing(specs, tmp_path) == [specs[0], specs[2]]
    assert store.find(specs[1], tmp_path) == a_result(specs[1])
    assert store.find(specs[0], tmp_path) is None


def test_where_the_options_came_from_does_not_make_a_run_missing(tmp_path):
    store.save(a_result(a_spec(options_from="default")), tmp_path)
    assert store.missing([a_spec(options_from="set")], tmp_path) == []


def test_names_cannot_leave_the_results_folder(tmp_path):
    path = store.path_of(a_spec("../../up", protocol="../x"), tmp_path)
    assert (
        path.resolve().is_relative_to(tmp_path / "runs")
        and len(path.relative_to(tmp_path).parts) == 4
    )


def test_a_results_folder_that_cannot_be_written_is_one_sentence_of_the_users(tmp_path):
    (tmp_path / "taken").write_text("a file")
    for attempt in (store.check_writable, lambda root: store.save(a_result(), root)):
        with pytest.raises(UserError, match=r"cannot write results into .*taken.*--results"):
            attempt(tmp_path / "taken")


def test_checking_leaves_nothing_behind(tmp_path):
    store.check_writable(tmp_path / "new")
    assert [p.name for p in (tmp_path / "new").rglob("*")] == ["runs"]


def test_a_record_stays_under_64_kilobytes_and_keeps_the_last_experiences_layers(tmp_path):
    result = a_result(evaluation=((0.5,) * 20,) * 20, initial=(0.1,) * 20)
    layers = {f"backbone.stage{i}.block.conv1.weight": (i + 1 / 3, i / 7) for i in range(200)}
    drift = tuple(dataclasses.replace(entry, layers=layers) for entry in result.drift)
    path = store.save(dataclasses.replace(result, drift=drift), tmp_path)
    assert path.stat().st_size < 64 * 1024
    (loaded,), _ = store.load_all(tmp_path)
    assert loaded.drift[0].layers == {} and len(loaded.drift[-1].layers) == 200
    assert loaded.drift[-1].layers["backbone.stage1.block.conv1.weight"] == (1.33333, 0.142857)
    assert loaded.drift[0].start == drift[0].start


def test_an_empty_or_absent_folder_has_no_records(tmp_path):
    assert store.load_all(tmp_path / "nowhere") == ([], [])
