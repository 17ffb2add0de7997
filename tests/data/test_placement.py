"""Data sets reach a machine without them as files at the places where they are searched for."""

import shutil

import pytest
from idx_files import write_idx
from pictures import pictures, write_folder, write_zip

from nanocl import data
from nanocl.data import placement
from nanocl.records.roots import Folders

pytestmark = pytest.mark.usefixtures("own_cache")


def contents(files):
    return {name: path.read_bytes() for name, path in files.items()}


@pytest.mark.parametrize(
    ("name", "lay_out"),
    [
        ("insects", lambda root: write_zip(root / "insects.zip", pictures())),
        ("insects", lambda root: write_folder(root / "insects", pictures())),
        ("mnist", lambda root: write_idx(root / "MNIST" / "raw")),
        ("mnist", lambda root: write_idx(root / "mnist", packed=False)),
    ],
    ids=["zip", "folder", "torchvision", "own folder"],
)
def test_placed_files_are_the_same_data_set(tmp_path, name, lay_out):
    root = tmp_path / "root"
    lay_out(root)
    before = data.fingerprint(name, root)
    files = contents(placement.files_of(name, root))
    shutil.rmtree(root)
    placed = placement.place(placement.key_of(files), lambda: files)
    assert data.fingerprint(name, placed, download=False) == before


def test_files_outside_the_data_root_are_placed_where_they_are_found(tmp_path):
    write_idx(tmp_path / "debian")
    files = contents(placement.files_of("fashion-mnist", tmp_path / "root"))
    before = data.fingerprint("fashion-mnist", tmp_path / "root", download=False)
    shutil.rmtree(tmp_path / "debian")
    placed = placement.place(placement.key_of(files), lambda: files)
    assert data.fingerprint("fashion-mnist", placed, download=False) == before


def test_data_sets_of_several_roots_are_placed_in_one(tmp_path):
    both = Folders((tmp_path / "a", tmp_path / "b"))
    write_zip(tmp_path / "a" / "insects.zip", pictures())
    write_folder(tmp_path / "b" / "birds", pictures(classes=("owl", "tit")))
    names = ("insects", "birds")
    before = [data.fingerprint(name, both) for name in names]
    files = {}
    for name in names:
        files |= contents(placement.files_of(name, both))
    placed = placement.place(placement.key_of(files), lambda: files)
    assert [data.fingerprint(name, placed) for name in names] == before


def test_files_are_fetched_once(tmp_path):
    files, fetched = {"a/b.zip": b"1", "c": b"2"}, []

    def fetch():
        fetched.append(1)
        return files

    first, second = (placement.place(placement.key_of(files), fetch) for _ in range(2))
    assert first == second and len(fetched) == 1
    assert contents({name: first / name for name in files}) == files


def test_other_files_than_the_hash_stands_for_are_refused_and_leave_no_folder():
    key = placement.key_of({"a": b"1"})
    with pytest.raises(ValueError, match=r"have the hash .*, expected"):
        placement.place(key, lambda: {"a": b"2"})
    placed = placement.place(key, lambda: {"a": b"1"})
    assert (placed / "a").read_bytes() == b"1"


def test_a_path_that_leaves_the_folder_is_refused(tmp_path):
    files = {"../outside": b"1"}
    with pytest.raises(ValueError, match="a data root has no file"):
        placement.place(placement.key_of(files), lambda: files)


def test_data_that_comes_with_a_package_needs_no_files(tmp_path):
    assert placement.files_of("digits", tmp_path) == {} and placement.key_of({}) == ""


def test_weights_are_placed_if_they_are_in_the_data_root(tmp_path):
    root = tmp_path / "root"
    write_folder(root, {"weights/a.th": b"1"})
    elsewhere = write_folder(tmp_path / "else", {"b.th": b"2"}) / "b.th"
    assert placement.weights_of("weights/a.th", root) == {"weights/a.th": root / "weights/a.th"}
    assert placement.weights_of(str(elsewhere), root) == {}
    assert placement.weights_of("", root) == {}
