"""Experiences from Python are written once by content, and read only as they were written."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from nanocl import data
from nanocl.data import placement, tensors
from nanocl.data.missing import DataMissing
from nanocl.records import UserError
from nanocl.records.roots import Folders

pytestmark = pytest.mark.usefixtures("own_cache")


def an_experience(seed=0, labels=(0, 1)):
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(6, 3)).astype(np.float32)
    targets = np.array(labels * 3, np.int64)
    return tensors.Experience(inputs, targets, inputs[:2], targets[:2])


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def test_what_is_read_is_what_was_written(root):
    written = [an_experience(0), an_experience(1, (2, 3))]
    name = tensors.write(written, root)
    assert tensors.is_name(name) and data.fingerprint(name, root) == name.removeprefix("tensors-")
    read = tensors.read(name, root)
    for one, other in zip(written, read, strict=True):
        for part in tensors.PARTS:
            assert np.array_equal(getattr(one, part), getattr(other, part))
            assert getattr(one, part).dtype == getattr(other, part).dtype
    described = {"train": 12, "test": 4, "shape": [3], "classes": 4, "release": "other"}
    assert described.items() <= tensors.facts(name, read).items()


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, train_targets=one.train_targets[::-1].copy()),
        lambda one: replace(one, train_inputs=one.train_inputs + np.float32(1e-6)),
        lambda one: replace(one, test_inputs=one.test_inputs[:, ::-1].copy()),
        lambda one: replace(one, train_inputs=one.train_inputs[:, :, None]),
    ],
)
def test_any_other_value_order_or_shape_is_another_name(root, change):
    name = tensors.write([an_experience()], root)
    assert tensors.write([change(an_experience())], root) != name
    assert tensors.write([an_experience()], root) == name


def test_a_file_is_written_once_and_a_damaged_one_again(root):
    name = tensors.write([an_experience()], root)
    path = tensors.find(name, root)
    before = path.stat().st_mtime_ns
    assert tensors.write([an_experience()], root) == name and path.stat().st_mtime_ns == before
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"is damaged: .*; pass the same tensors to nanocl.run"):
        tensors.read(name, root)
    tensors.write([an_experience()], root)
    assert np.array_equal(tensors.read(name, root)[0].train_inputs, an_experience().train_inputs)


def test_a_file_under_another_name_is_refused(root):
    name = tensors.write([an_experience()], root)
    path = tensors.find(name, root)
    other = "tensors-" + "0" * 16
    path.rename(path.with_name(f"{other}.safetensors"))
    with pytest.raises(UserError, match=f"holds the tensors {name.removeprefix('tensors-')}"):
        data.fingerprint(other, root)
    with pytest.raises(DataMissing, match=r"is not in .*; pass the same tensors"):
        data.fingerprint(name, root)


def test_a_damaged_file_hides_none_in_a_later_data_root(root, tmp_path):
    name = tensors.write([an_experience()], root)
    other = tensors.find(tensors.write([an_experience(1)], root), root)
    second = tmp_path / "second"
    shutil.copytree(root, second)
    shutil.copy(other, tensors.find(name, root))
    both = Folders((root, second))
    assert np.array_equal(tensors.read(name, both)[0].train_inputs, an_experience().train_inputs)
    assert tensors.find(name, both).is_relative_to(second)
    assert data.fingerprint(name, both) == name.removeprefix("tensors-")


def test_a_file_of_other_tensors_is_written_again(root):
    name = tensors.write([an_experience()], root)
    other = tensors.find(tensors.write([an_experience(1)], root), root)
    shutil.copy(other, tensors.find(name, root))
    assert tensors.write([an_experience()], root) == name
    assert np.array_equal(tensors.read(name, root)[0].train_inputs, an_experience().train_inputs)


def test_a_file_with_another_fingerprint_than_its_header_says_is_refused(root, monkeypatch):
    monkeypatch.setattr(tensors, "fingerprint_of", lambda arrays: "0" * 16)
    name = tensors.write([an_experience()], root)
    monkeypatch.undo()
    with pytest.raises(UserError, match="is damaged: it holds the tensors"):
        tensors.read(name, root)


def test_without_a_writable_data_root_the_user_s_cache_folder_holds_them(tmp_path):
    missing = tmp_path / "missing"
    name = tensors.write([an_experience()], missing)
    assert not missing.exists()
    assert tensors.find(name, missing).is_relative_to(tmp_path / "user-cache")


def test_they_travel_to_other_machines(root, tmp_path):
    name = tensors.write([an_experience()], root)
    contents = {path: file.read_bytes() for path, file in placement.files_of(name, root).items()}
    placed = placement.place(placement.key_of(contents), lambda: contents)
    assert placed != root and data.fingerprint(name, placed) == data.fingerprint(name, root)


def test_more_than_the_memory_is_refused(root, monkeypatch):
    monkeypatch.setattr("nanocl.data.limits._memory", lambda: 100)
    with pytest.raises(UserError, match="tensors of the stream"):
        tensors.write([an_experience()], root)
