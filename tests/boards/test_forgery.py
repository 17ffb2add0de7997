"""A version that was edited consistently does not have what its records give."""

import shutil

import made_boards
import pytest

from nanocl.boards import manifest, verification
from nanocl.records import store


@pytest.fixture
def root(version):
    return version.folder.parents[2]


def differences(version, root):
    return verification.verify(version, root).differences


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"version": "1.1"}, "version: 1.0 -> 1.1"),
        ({"board": "split-mnist-cpu-task"}, "board: split-digits-cpu-class -> split-mnist"),
        ({"learners": ["adam"]}, "learners: ['adam', 'adamw', 'sgd'] -> ['adam']"),
        ({"environments": []}, "environments:"),
        ({"measure": "loss"}, "measure: accuracy -> loss"),
        ({"tuning": {"adam": "0" * 64}}, "tuning.adam: none -> 000"),
        ({"extra": 1}, "extra: none -> 1"),
        ({"records": []}, "is not in the manifest"),
        ({"tables": {}}, "tables.table.md:"),
        ({"previous": {"version": "0.9", "identity": ""}}, "CHANGELOG.md:"),
        ({"changes": {"protocol": []}}, "manifest.json:"),
        ({"schema": "nanocl-board/2"}, "does not have the format nanocl-board/1"),
    ],
)
def test_a_hand_edited_manifest_is_found_though_its_identity_fits(version, root, values, words):
    made_boards.edit(version, **values)
    lines = differences(version, root)
    assert any(words in line for line in lines), lines


def test_an_edited_setting_of_the_statistics_is_found(version, root):
    made_boards.edit(version, statistics={**version.manifest()["statistics"], "confidence": 0.9})
    assert "manifest.json: statistics.confidence: 0.95 -> 0.9 (expected -> given)" in differences(
        version, root
    )


def test_an_edited_protocol_is_found(version, root):
    made_boards.edit(version, protocol={**version.manifest()["protocol"], "tier": "paper"})
    assert any("protocol.tier: cpu -> paper" in line for line in differences(version, root))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda records: records[1:], "is missing or damaged, expected by the manifest"),
        (lambda records: [*records, records[0]], "is there 2 times"),
        (lambda records: [{**records[0], "initial": [1, 1, 1]}, *records[1:]], "line 1:"),
        (made_boards.other_numbers, "has checksum"),
        (lambda records: ["{", *records], "line 1:"),
    ],
)
def test_changed_records_of_the_version_itself_are_found(version, root, change, words):
    made_boards.repack(version, change)
    lines = differences(version, root)
    assert any(words in line for line in lines), lines


def test_a_version_without_any_record_is_a_difference(version, root):
    made_boards.repack(version, lambda records: [])
    made_boards.edit(version, records=[])
    assert differences(version, root) == ("records.jsonl.xz: it has no record",)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [line for line in lines if ",adamw," not in line],
        lambda lines: [lines[0], *reversed(lines[1:])],
    ],
)
def test_rows_cut_from_or_moved_in_a_table_of_an_earlier_layout_are_found(version, root, change):
    path = version.folder / "table.csv"
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    tables = {**version.manifest()["tables"], "table.csv": manifest.sha256(path.read_bytes())}
    made_boards.edit(version, tables=tables, layout=0)
    assert any(line.startswith("table.csv: it has") for line in differences(version, root))


def test_a_line_of_a_table_that_is_too_long_for_csv_is_a_difference(version, root):
    path = version.folder / "table.csv"
    path.write_text(path.read_text() + "x" * 200_000 + "\n")
    tables = {**version.manifest()["tables"], "table.csv": manifest.sha256(path.read_bytes())}
    made_boards.edit(version, tables=tables, layout=0)
    assert any("do not give the line 'xxx" in line for line in differences(version, root))


def test_a_table_of_an_earlier_layout_may_lack_metrics(version, root):
    path = version.folder / "table.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if ",average_accuracy," not in line))
    tables = {**version.manifest()["tables"], "table.csv": manifest.sha256(path.read_bytes())}
    made_boards.edit(version, tables=tables, layout=0)
    assert not any(line.startswith("table.csv") for line in differences(version, root))


def test_a_forged_history_is_found_in_each_version(version, root, lwf):
    store.save(lwf, root)
    newer = made_boards.released(root)
    changes = newer.manifest()["changes"]
    made_boards.forge(newer, changes={**changes, "learners_added": []})
    assert differences(newer, root) == (
        "manifest.json: `changes` are not those since split-digits-cpu-class@v1.0",
    )
    made_boards.forge(newer, changes=changes, previous=None)
    assert differences(newer, root) == (
        "manifest.json: `previous` is missing, expected v1.0 or newer",
    )
    made_boards.forge(version, changes={**changes, "learners_added": ["sgd"]})
    assert differences(version, root) == (
        "manifest.json: `changes` are not those of a first version",
    )


def test_without_the_version_before_the_changes_are_not_compared_and_that_is_said(
    version, root, lwf
):
    store.save(lwf, root)
    newer = made_boards.released(root)
    shutil.rmtree(version.folder)
    verdict = verification.verify(newer, root)
    assert verdict.differences == () and "v1.0 is not here" in verdict.notes[0]
