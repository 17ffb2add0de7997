import json

import made_boards
import pytest

from nanocl.boards import agreement, manifest
from nanocl.records import store
from nanocl.records.encoding import to_record


@pytest.fixture
def results(root):
    return store.load_all(root)[0]


def test_equal_records_have_no_difference(results, root):
    given = [(manifest.path_of(run), to_record(run)["checksum"]) for run in results]
    assert [*agreement.with_manifest(dict(given), given)] == []
    assert [*agreement.replaced(results, root)] == [] == [*agreement.doubled(results, root)]


def test_a_record_that_the_manifest_does_not_have_is_named():
    (line,) = agreement.with_manifest({}, [("runs/a.json", "f00d")])
    assert "runs/a.json is not in the manifest" in line


def test_a_record_with_another_cost_only_is_told_from_one_with_other_numbers(results, root):
    path = made_boards.record(root)
    cost = json.loads(path.read_text())["cost"]
    made_boards.change(path, cost={**cost, "train_seconds": 11.0})
    (line,) = agreement.replaced(results, root)
    assert "it differs in cost, expected" in line


def test_a_file_that_is_no_record_is_no_second_record(results, root):
    (root / "runs" / "split-digits" / "notes.json").write_text("[1]")
    assert [*agreement.doubled(results, root)] == []
