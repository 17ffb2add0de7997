"""Fixtures for tests of streams."""

import pytest
from pictures import pictures, write_folder


@pytest.fixture
def pictures_root(tmp_path):
    """Two small image folders: `first` with 3 classes in colour, `second` with 2 in grayscale."""
    first = pictures(size=(8, 8), classes=("ant", "bee", "cat"), train=8, test=4)
    second = pictures(size=(8, 8), classes=("dog", "elk"), train=8, test=4, gray=True)
    write_folder(tmp_path / "first", first)
    write_folder(tmp_path / "second", second)
    return tmp_path
