"""A record that fits the schema and contradicts itself is named and skipped, never a crash."""

import json
import os
import random

import pytest
from making import MATRIX, a_result, a_spec
from mutants import changed, records

from nanocl import report
from nanocl.records import consistency, plain, store
from nanocl.records.encoding import sealed, to_record, to_text

TWO_ROWS = {"evaluation": [[0.1] * 3] * 2, "status": "diverged"}
TWO_ROWS["drift"] = to_record(a_result())["drift"][:2]
MOVED = {"kl": 0.1, "representation": None}
NUMBERS = {"l2": 1.0, "relative": 0.1, "mean_squared": 0.1, "touched": 1.0, "cosine": 0.9}


def write(root, **changes):
    """A record with other values, sealed anew; the values may name a place such as cost/steps."""
    result = a_result(a_spec(seed=1))
    path = store.save(result, root)
    record = to_record(result)
    for place, value in changes.items():
        *parents, last = place.split("/")
        entry = record
        for parent in parents:
            entry = entry[int(parent) if parent.isdigit() else parent]
        entry[last] = value
    path.write_text(to_text(sealed(record)))
    return path


@pytest.fixture
def results(tmp_path):
    store.save(a_result(a_spec(seed=0)), tmp_path)
    return tmp_path


def assert_named_and_skipped(root, capsys, words):
    capsys.readouterr()
    assert report.main(["--results", str(root)]) == 0
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if "skipped" in line]
    assert words in line and "s1-" in line
    assert (root / "LEADERBOARD.md").exists(), "the other record is reported"
    assert report.main(["--results", str(root), "--check"]) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"initial": [], "evaluation": [], "drift": []}, "no experience"),
        (
            {"initial": [], "evaluation": [], "drift": [], "status": "diverged"},
            "no experience",
        ),
        ({"evaluation": [[0.1, 0.2, 0.3]] * 4, "status": "diverged"}, "not rows of 3 numbers"),
        ({"evaluation": [[0.1]], "status": "diverged"}, "not rows of 3 numbers"),
        ({"drift": []}, "0 entries of drift for 3 trained experiences"),
        ({"drift": None}, "drift"),
        (
            {"validation": [[0.1, 0.2, 0.3]]},
            "results on held-out data are not 3 rows of 3 numbers",
        ),
        ({"validation": [[0.1, 0.2]] * 3}, "held-out data are not 3 rows of 3 numbers"),
        ({"validation": [[0.1, 0.2, 1.3]] * 3}, "held-out data must be from 0 to 1"),
        *(
            ({**TWO_ROWS, "validation": held}, "held-out data are not 2 rows of 3 numbers")
            for held in ([[0.1] * 2] * 3, [[0.1] * 3, [0.1] * 2])
        ),
        (
            {
                "evaluation": [[0.1, None, None], [0.1, 0.2, None], [0.1, 0.2, 0.3]],
                "evaluate": "seen",
                "validation": [[0.1] * 3] * 3,
            },
            "held-out data of experiences that were not tested then",
        ),
        (
            {"spec/training/measured_on": "validation", "validation": [[0.1] * 3] * 3},
            "held-out data beside results that are such themselves",
        ),
        ({"function": [MOVED] * 3}, "function moved in the first experience"),
        (
            {"experiences": [{"classes": [0], "train": 1, "test": 1}]},
            "it describes 1 of 3 experiences",
        ),
        (
            {"mastery": [{"steps": 3, "mastered": True}]},
            "of 1 of 3 trained experiences how they ended",
        ),
        ({"mastery": [{"steps": 3, "mastered": True}] * 3}, "with training.until=end"),
        ({"spec/training/until": "mastered"}, "with training.until=mastered"),
        ({"drift/0/deciles": [0.1] * 9}, "10 numbers or none, got 9"),
        ({"drift/0/average_tensor": 1e308}, "to 1e+100, got"),
        ({"drift/0/start/backbone/l2": -1e308}, "to 1e+100, got"),
        ({"cost/train_seconds": 1e308}, "to 1e+100, got"),
        ({"cost/parameters": 10**400}, "to 1e+100, got"),
        ({"environment/processor": "\ud800"}, "half a character"),
        ({"data": [{"name": "x", "fingerprint": "\udfff", "release": "other"}]}, "half a char"),
    ],
    ids=str,
)
def test_a_contradiction_is_named_and_skipped(results, capsys, changes, words):
    write(results, **changes)
    assert_named_and_skipped(results, capsys, words)


def test_a_drift_without_a_backbone_is_reported_as_not_measured(results, capsys):
    write(results, **{f"drift/{i}/{kind}": {} for i in range(3) for kind in ("start", "previous")})
    assert report.main(["--results", str(results), "--check"]) == 1
    assert "skipped" not in capsys.readouterr().err


def test_joint_training_on_fewer_experiences_is_no_reference(results, capsys):
    spec = a_spec("joint", seed=0)
    shorter = tuple(row[:2] for row in MATRIX[:2])
    store.save(a_result(spec, shorter, initial=(0.1, 0.2)), results)
    assert report.main(["--results", str(results), "--format", "markdown"]) == 0
    assert "joint training was measured on other experiences" in capsys.readouterr().out


def test_a_pipe_or_a_file_of_100_megabytes_is_not_read(results, capsys):
    path = write(results)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    assert_named_and_skipped(results, capsys, f"at most {plain.READ_LIMIT} are read")
    if hasattr(os, "mkfifo"):
        path.unlink()
        os.mkfifo(path)
        os.mkfifo(results / "notes.md")
        assert_named_and_skipped(results, capsys, "not a regular file")


@pytest.mark.parametrize("depth", [100, 400, 990, 100_000])
def test_deep_nesting_is_named_and_skipped(results, capsys, depth):
    path = write(results)
    text = path.read_text()
    path.write_text(text.replace('"name":"digits"', f'"name":{"[" * depth}{"]" * depth}'))
    assert_named_and_skipped(results, capsys, "nested deeper than 32 levels")
    entry = json.dumps({"schema": "nanocl-probe/2"})[:-1] + f',"x":{"[" * depth}{"]" * depth}}}'
    (results / "probes" / "p").mkdir(parents=True)
    (results / "probes" / "p" / "s1-x.json").write_text(entry)
    assert report.main(["--results", str(results)]) == 0


def refusal(record):
    """Why a record is refused; empty if it is not."""
    try:
        consistency.check(record)
    except ValueError as error:
        return str(error)
    return ""


def test_drift_taken_together_is_refused_exactly_where_its_parts_are(monkeypatch):
    draw = random.Random(1)
    mutants = []
    for record in records():
        assert refusal(record) == ""
        for _ in range(25):
            entry = changed({"drift": record["drift"][-1]}, draw).get("drift")
            if isinstance(entry, dict) and entry.keys() == record["drift"][-1].keys():
                mutants.append({**record, "drift": [*record["drift"][:-1], entry]})
    groups = [m for m in mutants if is_nested(m["drift"][-1])]
    together = list(map(refusal, groups))
    monkeypatch.setattr(consistency, "_is_usable_drift", lambda entry: False)
    assert together == list(map(refusal, groups))
    assert 50 < sum(map(bool, together)) < len(together) - 10


def is_nested(entry):
    """Whether it has the mappings that the schema asks for: others are refused before."""
    groups = (entry["start"], entry["previous"], entry["layers"])
    if not all(isinstance(group, dict) for group in groups):
        return False
    return all(isinstance(columns, dict) for group in groups[:2] for columns in group.values())
