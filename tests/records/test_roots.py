"""Several data roots are searched in order; what nanocl writes goes into the first."""

import os
from pathlib import Path

import numpy as np
import pytest
from pictures import pictures, write_folder

from nanocl import data
from nanocl.data import tensors
from nanocl.records import UserError
from nanocl.records.roots import (
    Folders,
    absolute,
    data_root_of,
    in_environment,
    places_of,
    relative,
    roots,
)

A, B = Path("/a"), Path("/b")


def test_one_folder_is_a_path_and_none_is_the_default(monkeypatch, tmp_path):
    monkeypatch.delenv("NANOCL_DATA_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root_of([]) is None and data_root_of(["/a"]) == A == data_root_of([A, "/a"])
    assert roots(A) == (A,) and roots("~/x") == (Path("~/x").expanduser(),)
    assert roots() == (tmp_path / "nanocl" / "data",)
    (tmp_path / "data").mkdir()
    assert roots() == (Path("data"),)


def test_several_are_kept_in_order_from_the_call_and_from_the_environment(monkeypatch):
    both = data_root_of(["/b", "/a"])
    assert both == Folders((B, A)) and roots(both) == (B, A)
    monkeypatch.setenv("NANOCL_DATA_ROOT", os.pathsep.join(["/a", "", "/b"]))
    assert in_environment() == Folders((A, B)) and roots() == (A, B)
    assert roots(both) == (B, A)


def test_a_path_in_several_is_the_first_that_exists(tmp_path):
    both = Folders((tmp_path / "a", tmp_path / "b"))
    assert both / "x" == tmp_path / "a" / "x"
    (tmp_path / "b" / "x").mkdir(parents=True)
    assert both / "x" == tmp_path / "b" / "x"


def test_a_file_is_named_relative_to_the_root_that_holds_it(monkeypatch, tmp_path):
    both = Folders((A, B))
    assert relative(Path("/b/c/d"), both) == "c/d" and relative(Path("/c/d"), both) == ""
    monkeypatch.chdir(tmp_path)
    moved = absolute(Folders((Path("a"), B)))
    assert moved == Folders((tmp_path / "a", B)) and absolute(None) is None


def test_a_file_is_searched_in_every_root_and_last_in_the_users_folder(tmp_path):
    assert places_of("x", Folders((A, B)), tmp_path) == (A / ".nanocl/x", B / ".nanocl/x", tmp_path)


def test_what_is_written_goes_into_the_first_root_wherever_the_data_was_found(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = tmp_path / "first", tmp_path / "second"
    write_folder(second / "insects", pictures())
    first.mkdir()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    data.load("insects", Folders((first, second)))
    inputs, labels = np.zeros((2, 3), np.float32), np.arange(2)
    name = tensors.write(
        [tensors.Experience(inputs, labels, inputs, labels)], Folders((first, second))
    )
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    expected = {"insects.safetensors", f"{name}.safetensors"}
    assert {path.relative_to(first / ".nanocl").as_posix() for path in written} == expected


def test_a_data_root_that_is_a_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "cifar10.zip"
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"cifar10\.zip' is a file; name the folder that holds"):
        data_root_of([path])
    monkeypatch.setenv("NANOCL_DATA_ROOT", str(path))
    with pytest.raises(UserError, match="is a file"):
        roots()
