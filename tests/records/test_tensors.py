"""Safetensors files with checksums are ordinary ones, and damage to them is found."""

import random

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from nanocl.records import tensors

ARRAYS = {"one": np.arange(7, dtype=np.float32), "two": np.ones((3, 2), np.uint8)}


@pytest.fixture
def path(tmp_path):
    return tensors.write(tmp_path / "some.safetensors", save(ARRAYS, {"note": "é"}))


def test_any_reader_of_the_format_reads_the_file(path):
    read = load_file(path)
    assert all(np.array_equal(read[name], ARRAYS[name]) for name in ARRAYS)
    with path.open("rb") as file:
        header, start = tensors.read_header(file)
    assert header["__metadata__"]["note"] == "é" and start % 8 == 0


def test_every_flipped_bit_is_found(path):
    whole = path.read_bytes()
    tensors.verify(path)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.Random(place).randrange(8)
        path.write_bytes(damaged)
        if same_after_all(whole, damaged):
            continue
        with pytest.raises(tensors.Damaged):
            tensors.verify(path)


def same_after_all(whole, damaged):
    """Whether only a space that pads the header became another white-space character."""
    length = 8 + int.from_bytes(whole[:8], "little")
    return damaged[:length].split() == whole[:length].split() and damaged[length:] == whole[length:]


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 50, save(ARRAYS)])
def test_a_file_without_checksums_is_refused(tmp_path, content):
    file = tmp_path / "other.safetensors"
    file.write_bytes(content)
    with pytest.raises(tensors.Damaged):
        tensors.verify(file)
