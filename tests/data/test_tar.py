"""Members of a tar file are read in one pass, and damage is noticed."""

import gzip

import pytest
from tar_files import write_tar

from nanocl.data.tar import read_members
from nanocl.records import UserError

FILES = {"a.jpg": b"first", "b.txt": b"second", "c.jpg": b"third"}


def test_only_the_members_that_are_wanted_are_read(tmp_path):
    archive = write_tar(tmp_path / "files.tgz", "folder", FILES)
    assert read_members(archive, lambda path: path.suffix == ".jpg") == {
        "a.jpg": b"first",
        "c.jpg": b"third",
    }
    assert read_members(archive, lambda path: path.parent.name == "folder") == FILES
    assert list(tmp_path.iterdir()) == [archive]


def test_a_plain_tar_file_reads_like_a_compressed_one(tmp_path):
    archive = write_tar(tmp_path / "files.tgz", "folder", FILES)
    (tmp_path / "files.tar").write_bytes(gzip.decompress(archive.read_bytes()))
    assert read_members(tmp_path / "files.tar", lambda path: True) == FILES


def test_a_wrong_checksum_at_the_end_is_noticed_after_the_last_member(tmp_path):
    archive = write_tar(tmp_path / "files.tgz", "", FILES)
    content = bytearray(archive.read_bytes())
    content[-8] ^= 1  # gzip ends with the checksum (4 bytes) and the length
    archive.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"files\.tgz is not a complete tar file, .* c\.jpg"):
        read_members(archive, lambda path: True)


def test_a_file_that_is_no_tar_file_is_named(tmp_path):
    (tmp_path / "page.tgz").write_bytes(b"<html>")
    with pytest.raises(UserError, match=r"page\.tgz is not a complete tar file"):
        read_members(tmp_path / "page.tgz", lambda path: True)
