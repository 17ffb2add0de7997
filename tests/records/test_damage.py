"""Damaged probes and study records are named, and fail the check of a results folder."""

import json
import shutil
from pathlib import Path

import pytest

from nanocl import report
from nanocl.records import damage

ROOT = Path(__file__).resolve().parents[2] / "results"
FILES = [next(iter(sorted(ROOT.glob(place)))) for place in damage.PLACES]


def test_every_committed_probe_and_study_record_is_intact():
    assert sum(1 for place in damage.PLACES for _ in ROOT.glob(place)) > 40
    assert damage.find(ROOT) == []


@pytest.fixture(params=FILES, ids=lambda path: path.parts[len(ROOT.parts)])
def copied(request, tmp_path):
    """A probe or a study record in a results folder of its own."""
    path = tmp_path / request.param.relative_to(ROOT)
    path.parent.mkdir(parents=True)
    shutil.copy(request.param, path)
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("0", "1", 1), "does not have its checksum"),
        (lambda text: text[:-5], "not JSON"),
        (lambda text: "[]", "no checksum"),
        (lambda text: "", "not JSON"),
        (lambda text: json.dumps({"checksum": "0"}), "schema"),
    ],
)
def test_a_changed_file_is_named_with_the_reason(tmp_path, copied, change, reason):
    copied.write_text(change(copied.read_text()))
    (problem,) = damage.find(tmp_path)
    assert problem.path == copied and reason in problem.reason


def test_a_damaged_file_fails_the_check(tmp_path, copied, capsys):
    arguments = ["--results", str(tmp_path)]
    report.main(arguments)
    assert report.main([*arguments, "--check"]) == 0
    copied.write_text(copied.read_text().replace("0", "1", 1))
    report.main(arguments)
    capsys.readouterr()
    assert report.main([*arguments, "--check"]) == 1
    assert str(copied) in capsys.readouterr().err
