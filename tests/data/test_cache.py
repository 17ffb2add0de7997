"""Decoded copies are made once, read again, and replaced when their source changes."""

import concurrent.futures
import json
import os
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
from pictures import pictures, write_folder, write_zip

from nanocl.data import cache, fingerprint, folder, load

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def decoded(monkeypatch):
    """Counts how often images are decoded."""
    calls = []
    original = folder.decode_all
    monkeypatch.setattr(folder, "decode_all", lambda *args: calls.append(args) or original(*args))
    return calls


def test_a_source_is_decoded_once(tmp_path, decoded):
    write_zip(tmp_path / "insects.zip", pictures())
    first = load("insects", tmp_path)
    once = len(decoded)
    second = load("insects", tmp_path)
    assert fingerprint("insects", tmp_path) == first.fingerprint == second.fingerprint
    assert len(decoded) == once == 2
    for name in cache.ARRAYS:
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert (second.classes, second.official, second.facts()) == (
        first.classes,
        False,
        first.facts(),
    )


def test_a_changed_file_is_decoded_again(tmp_path, decoded):
    files = pictures()
    write_folder(tmp_path / "insects", files)
    before = fingerprint("insects", tmp_path)
    write_folder(tmp_path / "insects", {"train/ant/0.png": files["train/bee/0.png"]})
    assert fingerprint("insects", tmp_path) != before
    assert len(decoded) == 4


def test_a_touched_zip_is_decoded_again(tmp_path, decoded):
    archive = write_zip(tmp_path / "insects.zip", pictures())
    before = fingerprint("insects", tmp_path)
    os.utime(archive, ns=(1, 1))
    assert fingerprint("insects", tmp_path) == before
    assert len(decoded) == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda copy: copy[:-1],
        lambda copy: copy[:100],
        lambda copy: b"",
        lambda copy: b"\xff" * len(copy),
    ],
)
def test_a_damaged_copy_is_named_and_replaced(tmp_path, decoded, damage):
    write_zip(tmp_path / "insects.zip", pictures())
    before = load("insects", tmp_path).train_inputs.copy()
    copy = tmp_path / ".nanocl" / "insects.safetensors"
    copy.write_bytes(damage(copy.read_bytes()))
    with pytest.warns(UserWarning, match=r"ignoring the decoded copy .*insects\.safetensors: "):
        assert np.array_equal(load("insects", tmp_path).train_inputs, before)
    assert len(decoded) == 4


def test_no_flipped_bit_of_a_copy_changes_the_data(tmp_path):
    write_zip(tmp_path / "insects.zip", pictures())
    before = load("insects", tmp_path)
    values = {name: getattr(before, name).copy() for name in cache.ARRAYS}
    copy = tmp_path / ".nanocl" / "insects.safetensors"
    content, rng = copy.read_bytes(), random.Random(0)
    header = int.from_bytes(content[:8], "little") + 8
    places = [rng.randrange(header) for _ in range(30)]
    places += [rng.randrange(header, len(content)) for _ in range(10)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        copy.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a flip may also make it a copy of another source
            assert fingerprint("insects", tmp_path) == before.fingerprint
            after = load("insects", tmp_path)
        assert (after.fingerprint, after.classes) == (before.fingerprint, before.classes)
        assert all(np.array_equal(getattr(after, name), values[name]) for name in values)


def test_a_file_changed_with_its_size_and_time_kept_is_decoded_again(tmp_path, decoded):
    archive = write_zip(tmp_path / "insects.zip", pictures())
    load("insects", tmp_path)
    before = archive.stat()
    content = bytearray(archive.read_bytes())
    archive.write_bytes(content)
    os.utime(archive, ns=(before.st_atime_ns, before.st_mtime_ns))
    load("insects", tmp_path)
    assert len(decoded) == 4


def test_the_copy_is_a_safetensors_file_that_describes_its_data(tmp_path):
    from safetensors import safe_open

    write_zip(tmp_path / "insects.zip", pictures())
    loaded = load("insects", tmp_path)
    with safe_open(tmp_path / ".nanocl" / "insects.safetensors", "numpy") as file:
        assert file.metadata()["fingerprint"] == loaded.fingerprint
        assert json.loads(file.metadata()["classes"]) == ["ant", "bee"]
        assert np.array_equal(file.get_tensor("test_inputs"), loaded.test_inputs)


def test_writing_to_the_arrays_does_not_change_the_copy(tmp_path):
    write_zip(tmp_path / "insects.zip", pictures())
    first = load("insects", tmp_path)
    before = first.train_inputs.copy()
    first.train_inputs[:] = 0
    assert np.array_equal(load("insects", tmp_path).train_inputs, before)


def test_an_unwritable_data_root_is_not_changed_and_the_user_cache_is_used(tmp_path, decoded):
    data_root = tmp_path / "root"
    write_zip(data_root / "insects.zip", pictures())
    (data_root / ".nanocl").write_bytes(b"a file where the cache folder would be")
    assert fingerprint("insects", data_root) == fingerprint("insects", data_root)
    assert len(decoded) == 2
    assert len(list((tmp_path / "user-cache" / "nanocl" / "decoded").iterdir())) == 1


def test_without_any_place_to_write_the_data_is_still_loaded(tmp_path, monkeypatch):
    data_root = tmp_path / "root"
    write_zip(data_root / "insects.zip", pictures())
    (data_root / ".nanocl").write_bytes(b"")
    (tmp_path / "a-file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a-file"))
    with pytest.warns(UserWarning, match="decoded again next time"):
        assert len(load("insects", data_root).train_labels) == 8


def test_equal_names_in_two_roots_do_not_mix_in_the_user_cache(tmp_path):
    for root, files in (("a", pictures()), ("b", pictures(train=5))):
        write_zip(tmp_path / root / "insects.zip", files)
        (tmp_path / root / ".nanocl").write_bytes(b"")
    assert [len(load("insects", tmp_path / root).train_labels) for root in "abab"] == [8, 10, 8, 10]


def test_processes_that_load_at_once_agree_and_leave_one_complete_copy(tmp_path):
    write_zip(tmp_path / "insects.zip", pictures(train=200))
    code = (
        "import sys; from nanocl.data import load; print(load('insects', sys.argv[1]).fingerprint)"
    )

    def one(_):
        return subprocess.run(
            [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
        ).stdout

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(one, range(4))) == {fingerprint("insects", tmp_path) + "\n"}
    assert [path.name for path in (tmp_path / ".nanocl").iterdir()] == ["insects.safetensors"]
