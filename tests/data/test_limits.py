"""Sizes are checked before memory is taken for them."""

import gzip
import io
import os
import tarfile
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from idx_files import idx_bytes, write_idx
from pictures import pictures, write_folder, write_zip
from tar_files import write_tar

from nanocl import data, run
from nanocl.data import idx, images, limits, tar
from nanocl.records import UserError
from nanocl.streams._images import Selection

pytestmark = pytest.mark.usefixtures("own_cache")
MEBIBYTE = 2**20


@pytest.fixture
def little_memory():
    """Fails if the test takes more than 40 MiB at a time."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * MEBIBYTE


def bomb(side):
    """A complete PNG file of one black image, small for its pixels."""
    rows = zlib.compressobj(9)
    line = b"\0" * (side // 8 + 1)
    packed = b"".join(rows.compress(line) for _ in range(side)) + rows.flush()
    head = side.to_bytes(4, "big") * 2 + bytes((1, 0, 0, 0, 0))
    chunks = [(b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        checksum = zlib.crc32(kind + content).to_bytes(4, "big")
        file += len(content).to_bytes(4, "big") + kind + content + checksum
    return file


@pytest.mark.parametrize("size", [100_000, limits.LARGEST_SIDE + 1, -1])
def test_images_are_not_resized_above_the_limit(size, little_memory):
    with pytest.raises(UserError, match="up to 4096, or 0 to keep the size, got"):
        data.load("digits", image_size=size)
    for name in ("pad", "image_size"):
        with pytest.raises(ValueError, match=rf"{name} must be in \[0, 4096\]"):
            Selection(data="digits", **{name: size})


def test_the_command_refuses_the_size_in_one_line(tmp_path, capsys):
    words = ["--strategy", "sgd", "--tier", "smoke", "--results", str(tmp_path)]
    assert run.main([*words, "--set", "stream.image_size=100000"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "image_size must be a number of pixels up to 4096" in line


def test_a_data_set_larger_than_the_memory_is_refused(tmp_path, monkeypatch, little_memory):
    monkeypatch.setattr(limits, "_memory", lambda: 2**20)
    write_folder(tmp_path / "insects", pictures())
    for load in (
        lambda: data.load("insects", tmp_path, image_size=1024),
        lambda: data.load("digits", tmp_path, image_size=1024),
    ):
        with pytest.raises(UserError, match=r"needs .* GiB of memory, this machine has 0\.0 GiB"):
            load()


@pytest.mark.parametrize("side", [8200, 20_000])
def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded(side, little_memory):
    file = bomb(side)
    assert len(file) < MEBIBYTE
    with pytest.raises(UserError, match="x is not a complete image"):
        images.decode(file, "x", 32)


def test_an_image_below_the_limit_is_decoded():
    assert images.decode(bomb(64), "x").shape == (1, 64, 64)


@pytest.mark.parametrize("declared", [None, 10])
def test_a_member_of_a_zip_is_read_up_to_the_limit(tmp_path, monkeypatch, little_memory, declared):
    monkeypatch.setattr(limits, "MOST_BYTES", MEBIBYTE)
    path = tmp_path / "insects.zip"
    write_zip(
        path,
        pictures() | {"train/ant/0.png": bytes(80 * MEBIBYTE)},
        method=zipfile.ZIP_DEFLATED,
    )
    if declared:  # in the list at the end of the file and before the member
        true_size = (80 * MEBIBYTE).to_bytes(4, "little")
        path.write_bytes(path.read_bytes().replace(true_size, declared.to_bytes(4, "little")))
    tracemalloc.reset_peak()
    with pytest.raises(UserError, match=r"at most 1048576 are read|cannot be read"):
        data.load("insects", tmp_path)


def test_damaged_fields_of_a_zip_are_named(tmp_path):
    path = write_zip(tmp_path / "insects.zip", pictures())
    whole = path.read_bytes()
    central = whole.index(b"PK\x01\x02")
    damages = {
        "version": (central + 6, b"\xff"),  # zip file version 25.5
        "method": (central + 10, b"\x63"),
        "encrypted": (central + 8, b"\x01"),
        "offset": (central + 42, b"\xff\xff\xff\x7f"),
    }
    for place, wrong in damages.values():
        path.write_bytes(whole[:place] + wrong + whole[place + len(wrong) :])
        with pytest.raises(UserError, match=r"insects\.zip"):
            data.load("insects", tmp_path)


def test_a_gzip_stream_is_read_up_to_the_size_in_its_header(tmp_path, little_memory):
    write_idx(tmp_path / "MNIST" / "raw")
    path = tmp_path / "MNIST" / "raw" / f"{idx.FILES[1]}.gz"
    tracemalloc.reset_peak()
    labels = idx_bytes(np.zeros(20, np.uint8))
    with gzip.open(path, "wb") as file:
        file.write(labels)
        for _ in range(80):
            file.write(bytes(MEBIBYTE))
    with pytest.raises(UserError, match="must have 28 bytes, but has more than 28"):
        data.load("mnist", tmp_path)


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"])
def test_sizes_in_the_header_of_an_idx_file_are_checked(tmp_path, size, little_memory):
    path = tmp_path / "images"
    path.write_bytes(bytes((0, 0, 8, 3)) + size * 3 + b"x")
    with pytest.raises(UserError, match="GiB of memory"):
        idx.read_array(path, 3)
    path.write_bytes(bytes((0, 0, 8, 3)) + size[:2] + bytes((0, 1)) + bytes((0, 0, 0, 1)) * 2)
    with pytest.raises(UserError, match="truncated"):
        idx.read_array(path, 3)


def test_members_of_a_tar_file_are_read_up_to_the_limit(tmp_path, monkeypatch, little_memory):
    monkeypatch.setattr(limits, "MOST_BYTES", MEBIBYTE)
    path = write_tar(tmp_path / "a.tar.gz", "x", {"a": bytes(MEBIBYTE), "b": b"1"})
    with pytest.raises(UserError, match=r"up to x/b has 1048577 bytes; at most 1048576 are read"):
        tar.read_members(path, lambda _: True)
    assert tar.read_members(path, lambda path: path.name == "b") == {"b": b"1"}


def test_a_header_of_a_tar_file_is_read_up_to_the_limit(tmp_path, monkeypatch, little_memory):
    monkeypatch.setattr(limits, "MOST_BYTES", MEBIBYTE)
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 80 * MEBIBYTE
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(header.tobuf())
        for _ in range(80):
            file.write(bytes(MEBIBYTE))
    with pytest.raises(UserError, match=r"not a complete tar file.*a header of 83886080 bytes"):
        tar.read_members(tmp_path / "a.tar.gz", lambda _: True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_pipe_in_an_image_folder_is_not_waited_for(tmp_path):
    write_folder(tmp_path / "insects", pictures())
    os.mkfifo(tmp_path / "insects" / "train" / "ant" / "9.png")
    with pytest.raises(UserError, match=r"9\.png cannot be read: it is not a regular file"):
        data.load("insects", tmp_path)


def test_a_null_character_in_a_name_is_named(tmp_path):
    with pytest.raises(UserError, match="no data set can have the name"):
        data.load("a\0b", tmp_path)
    assert data.find_file("a\0b", tmp_path) is None


def test_the_largest_known_file_of_a_data_set_is_below_the_limits():
    assert limits.MOST_BYTES > 344_862_509  # 102flowers.tgz
    assert io.BytesIO(bomb(64)).getbuffer().nbytes < limits.MOST_BYTES
