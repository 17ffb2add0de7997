"""A record of the study is found by its spec, and a damaged one is not used."""

import json
import math

import pytest

from nanocl.records import Environment, UserError, encoding
from nanocl.studies.teacher_student import storage
from nanocl.studies.teacher_student.settings import Condition, Setting

WHERE = Environment("0.1.0", "3.11", "2.6", "0.6", "2.0", "linux", "a processor", "cpu", 1)
SETTING = Setting(share=0.2, seeds=(0, 1))


def save(root, spec=SETTING, **values):
    return storage.save(spec, values or {"gd": {"loss_b": [0.5, None]}}, WHERE, root)


@pytest.mark.parametrize("spec", [SETTING, Condition(seeds=(0,))], ids=["setting", "condition"])
def test_a_saved_record_is_found_by_its_spec(spec, tmp_path):
    path = save(tmp_path, spec)
    assert path == storage.path_of(spec, tmp_path) and spec.digest in path.name
    entry = storage.find(spec, tmp_path)
    assert entry["values"] == {"gd": {"loss_b": [0.5, None]}}
    assert storage.load([Setting(), spec], tmp_path) == [entry]


def test_numbers_are_rounded_to_7_digits_and_null_if_not_finite(tmp_path):
    save(tmp_path, gd={"loss_b": [1 / 3, math.nan, math.inf, 7]})
    values = storage.find(SETTING, tmp_path)["values"]["gd"]["loss_b"]
    assert values == [0.3333333, None, None, 7]


@pytest.mark.parametrize("change", [{"digest": "0" * 12}, {"values": []}, {"setting": {}}])
def test_a_record_that_does_not_fit_its_spec_is_not_used(change, tmp_path):
    path = save(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert storage.find(SETTING, tmp_path) is None
    path.write_text("{")
    assert storage.find(SETTING, tmp_path) is None


def test_no_changed_digit_of_a_record_is_used(tmp_path):
    path = save(tmp_path)
    whole = path.read_text()
    for place in [number for number, letter in enumerate(whole) if letter.isdigit()]:
        other = str((int(whole[place]) + 1) % 10)
        path.write_text(whole[:place] + other + whole[place + 1 :])
        assert storage.find(SETTING, tmp_path) is None
    path.write_text(whole)
    assert storage.find(SETTING, tmp_path)


def test_a_record_is_checked_once_for_all_readers_and_again_after_a_change(tmp_path, monkeypatch):
    path = save(tmp_path, gd={"loss_b": [0.125, 3]})
    checked = []
    monkeypatch.setattr(
        storage, "is_intact", lambda entry: checked.append(entry) or encoding.is_intact(entry)
    )
    for _ in range(3):
        assert storage.find(SETTING, tmp_path)
    assert len(checked) == 1
    path.write_text(path.read_text().replace("0.125", "0.126"))
    assert storage.find(SETTING, tmp_path) is None and len(checked) == 2


def test_a_record_that_is_too_large_is_refused(tmp_path):
    with pytest.raises(ValueError, match="use fewer seeds"):
        save(tmp_path, gd={"loss_b": [0.1234567] * 10000})


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "studies").write_text("a file is in the way")
    with pytest.raises(UserError, match="cannot write"):
        save(tmp_path)
