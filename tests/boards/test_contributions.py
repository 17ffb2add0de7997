import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import made_boards
import pytest

from nanocl.boards import contributions
from nanocl.records import RunSpec, UserError, plain, store

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.fixture
def path(tmp_path):
    """A copy of a measured record, as somebody would send it."""
    record = made_boards.record(RESULTS)
    return Path(shutil.copy(record, tmp_path / "sent.json"))


def faults(path, results_root):
    (finding,) = contributions.check([path], results_root)
    return finding.faults


def spec_of(path):
    return json.loads(path.read_text())["spec"]


def resent(path, **values):
    """Another spec, with the digest that belongs to it, sealed again."""
    spec = {**spec_of(path), **values}
    made_boards.change(path, spec=spec, digest=RunSpec.from_dict(spec).digest)


def test_a_measured_record_may_join_with_and_without_the_others_at_hand(path, tmp_path):
    assert faults(path, tmp_path) == ()
    folder = tmp_path / "results" / "runs" / "split-digits"
    shutil.copytree(RESULTS / "runs" / "split-digits" / "adam", folder / "adam")
    assert faults(path, tmp_path / "results") == ()


def test_one_changed_digit_is_found_by_the_checksum(path, tmp_path):
    text = path.read_text()
    assert text.count('"train_seconds":') == 1
    path.write_text(re.sub(r'(?<="train_seconds":\d\.)\d', lambda m: str(9 - int(m[0])), text))
    assert "checksum" in faults(path, tmp_path)[0]


def test_a_digest_that_is_not_that_of_the_spec_is_found(path, tmp_path):
    made_boards.change(path, digest="0" * 12)
    assert "its digest is 000000000000, but its spec hashes to" in faults(path, tmp_path)[0]


def test_a_record_that_is_none_is_found(path, tmp_path):
    path.write_text('{"schema": "nanocl-result/2"}')
    assert "schema" in faults(path, tmp_path)[0]
    path.write_text("{")
    assert "not JSON" in faults(path, tmp_path)[0]


def test_impossible_numbers_are_found_though_the_checksum_is_right(path, tmp_path):
    values = json.loads(path.read_text())["evaluation"]
    values[-1][0] = 0.123456
    made_boards.change(path, evaluation=values)
    (line,) = faults(path, tmp_path)
    assert "is no whole number" in line


def test_an_unknown_protocol_is_answered_by_the_nearest(path, tmp_path):
    resent(path, protocol="split-digit")
    assert "did you mean 'split-digits'" in faults(path, tmp_path)[0]


def test_tests_that_the_board_needs_and_the_record_lacks_are_found(path, tmp_path):
    cells = json.loads(path.read_text())["evaluation"]
    last = [[None] * i + [row[i]] + [None] * (len(row) - i - 1) for i, row in enumerate(cells)]
    made_boards.change(path, evaluation=[*last[:-1], cells[-1]], evaluate="last")
    assert "tested with --evaluate last, the board needs seen" in faults(path, tmp_path)
    run = replace(store.verified(plain.read(path)), evaluate="all")
    online = replace(run, spec=replace(run.spec, protocol="input-permuted", scenario="domain"))
    (line,) = contributions._tests(online)
    assert line.startswith("not tested within experiences")


def test_another_protocol_under_the_same_name_is_found_key_by_key(path, tmp_path):
    training = spec_of(path)["training"]
    resent(path, training={**training, "epochs": training["epochs"] + 1})
    line = faults(path, tmp_path)[0]
    assert "is not that of split-digits" in line
    assert f"training.epochs: {training['epochs']} -> {training['epochs'] + 1}" in line


def test_a_seed_that_is_not_reported_is_found(path, tmp_path):
    resent(path, seed=1000)
    assert "seed 1000 is none of the board's, 0 to" in faults(path, tmp_path)[0]


def test_a_seed_that_the_board_has_beyond_its_protocol_may_join(path, tmp_path):
    spec = RunSpec.from_dict(spec_of(path))
    others = replace(store.verified(plain.read(path)), spec=replace(spec, seed=7))
    store.save(others, tmp_path / "results")
    resent(path, seed=7)
    assert faults(path, tmp_path / "results") == ()


def test_options_of_no_row_are_found_with_those_of_the_nearest(path, tmp_path):
    (part,) = spec_of(path)["strategy"]
    options = part["options"]
    resent(path, strategy=[{**part, "options": {**options, "lr": 0.5}}])
    (line,) = faults(path, tmp_path)
    assert f"options of no row of adam: adam.lr: {options['lr']} -> 0.5" in line


def test_an_older_version_of_an_algorithm_is_found(path, tmp_path):
    (part,) = spec_of(path)["strategy"]
    resent(path, strategy=[{**part, "version": 1}])
    assert "adam version: 2 -> 1" in faults(path, tmp_path)[0]


def test_other_data_than_that_of_the_board_is_found(path, tmp_path):
    folder = tmp_path / "results" / "runs" / "split-digits"
    shutil.copytree(RESULTS / "runs" / "split-digits" / "adam", folder / "adam")
    resent(path, data="f" * 16)
    (line,) = faults(path, tmp_path / "results")
    assert f"data fingerprint {'f' * 16}, the records of the board have" in line


def test_other_numbers_of_a_run_at_hand_are_found(path, tmp_path):
    folder = tmp_path / "results" / "runs" / "split-digits"
    shutil.copytree(RESULTS / "runs" / "split-digits" / "adam", folder / "adam")
    values = json.loads(path.read_text())["evaluation"]
    values[0][0] = 0.5
    made_boards.change(path, evaluation=values)
    assert any("has other numbers" in line for line in faults(path, tmp_path / "results"))


def test_a_folder_stands_for_its_records_and_an_absent_file_is_an_error(path, tmp_path):
    folder = RESULTS / "runs" / "split-digits" / "adam"
    records = sorted(folder.glob("*.json"))
    assert sorted(entry.path for entry in contributions.check([folder], tmp_path)) == records
    for absent, words in ((tmp_path / "no.json", "is missing"), (tmp_path / "runs", "no record")):
        if words == "no record":
            absent.mkdir()
        with pytest.raises(UserError, match=words):
            contributions.check([absent], tmp_path)
