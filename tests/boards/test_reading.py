"""A released version is read only if it is what its manifest and its identity say."""

import json

import made_boards
import pytest

from nanocl import report
from nanocl.boards import reading
from nanocl.records import UserError


def test_the_rows_of_a_version_are_its_own_and_without_one_those_of_the_records(version):
    root = version.folder.parents[2]
    made_boards.record(root, "sgd", 0).unlink()
    counts = [
        [len(row.results) for row in reading.rows_of(text, root)]
        for text in (made_boards.NAME, f"{made_boards.NAME}@v1.0")
    ]
    assert counts == [[2, 2, 1], [2, 2, 2]]
    (version.folder / "records.jsonl.xz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"@v1\.0 is damaged: .*verify .*@v1\.0 says more"):
        reading.rows_of(f"{made_boards.NAME}@v1.0", root)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda records: records[1:], "is missing or damaged, expected by the manifest"),
        (lambda records: [*records, records[0]], "is there 2 times, expected once"),
        (lambda records: [], "is missing or damaged"),
    ],
)
@pytest.mark.parametrize("command", ["compare", "export", "cite"])
def test_records_that_are_not_those_of_the_manifest_are_refused(
    version, capsys, change, reason, command
):
    made_boards.repack(version, change)
    name = f"{made_boards.NAME}@v1.0"
    names = {"compare": [f"{name}:sgd lr=0.1"] * 2}.get(command, [name])
    root = version.folder.parents[2]
    assert report.main([command, *names, "--results", str(root)]) != 0
    said = capsys.readouterr()
    assert "is damaged" in said.err and reason in said.err and not said.out


def test_an_edited_manifest_is_refused(version):
    path = version.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "notes": "another"}))
    with pytest.raises(UserError, match=r"@v1\.0 is damaged: its manifest does not have its ident"):
        reading.results_of(version)


@pytest.mark.parametrize("entries", [None, [1], [{"path": "a"}]])
def test_a_manifest_that_lists_no_records_is_one_line(version, entries):
    made_boards.edit(version, records=entries)
    with pytest.raises(UserError, match="its manifest does not list its records"):
        reading.results_of(version)
