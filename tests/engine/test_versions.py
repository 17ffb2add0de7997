"""Machines with other versions are told apart, in words."""

import pytest

from nanocl.engine import versions as module
from nanocl.engine.versions import difference, versions


def test_a_machine_does_not_differ_from_itself():
    assert difference(versions(), versions()) == ""
    assert {"python", "nanocl", "torch", "numpy"} <= set(versions())


def test_each_difference_is_named_with_both_versions():
    there = {**versions(), "torch": "1.0"}
    del there["numpy"]
    words = difference(versions(), there)
    assert f"torch 1.0 instead of {versions()['torch']}" in words
    assert f"numpy missing instead of {versions()['numpy']}" in words


def test_builds_of_one_version_for_several_gpus_are_equal(monkeypatch):
    monkeypatch.setattr(module, "version", lambda package: "2.9.0+cu128")
    assert module._version("torch") == "2.9.0"


@pytest.mark.parametrize("change", ["x = 1\n", None])
def test_the_hash_of_the_code_changes_with_any_file(tmp_path, monkeypatch, change):
    package = tmp_path / "nanocl"
    package.mkdir()
    for name in ("__init__.py", "a.py"):
        (package / name).write_text("")
    monkeypatch.setattr(module.nanocl, "__file__", str(package / "__init__.py"))
    before = module._code()
    if change:
        (package / "a.py").write_text(change)
    else:
        (package / "a.py").rename(package / "b.py")
    assert module._code() != before
