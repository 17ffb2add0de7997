"""Published files of texts are recognised by their bytes, in the files of their authors."""

import shutil

import pytest
from real_data import missing

from nanocl.data import load
from nanocl.data.text_archives import PUBLISHED


def test_clinc150_and_banking77_are_official_and_complete(data_root):
    for name, train, test, classes in (
        ("clinc150", 15000, 4500, 150),
        ("banking77", 10003, 3080, 77),
    ):
        if not (data_root / "text" / name).is_dir():
            missing(f"text/{name}")
        facts = load(name, data_root).facts()
        sizes = (facts["train"], facts["test"], facts["classes"])
        assert (facts["release"], sizes) == ("official", (train, test, classes))


@pytest.mark.usefixtures("own_cache")
def test_one_changed_byte_makes_it_another_release(data_root, tmp_path):
    published = data_root / "text" / "banking77"
    if not published.is_dir():
        missing("text/banking77")
    shutil.copytree(published, tmp_path / "banking77")
    test = tmp_path / "banking77" / "test.csv"
    test.write_bytes(test.read_bytes() + b"more,card_arrival\n")
    assert not load("banking77", tmp_path).official


def test_checksums_are_whole_sha_256():
    for sums in PUBLISHED.values():
        assert all(len(value) == 64 and set(value) <= set("0123456789abcdef") for value in sums)
