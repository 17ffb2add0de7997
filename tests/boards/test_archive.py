import lzma

import pytest
from making import a_result, a_spec

from nanocl.boards import archive


@pytest.fixture
def results():
    return [a_result(a_spec(seed=seed)) for seed in range(3)]


def test_the_records_come_back_as_they_were_and_the_bytes_do_not_vary(tmp_path, results):
    packed = archive.pack(results)
    (tmp_path / archive.FILE).write_bytes(packed)
    assert archive.results(tmp_path) == results and archive.pack(results) == packed
    assert lzma.decompress(packed).count(b"\n") == 3


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"x" + b[1:], lambda b: b + b"x"])
def test_a_damaged_file_is_an_error(tmp_path, results, damage):
    (tmp_path / archive.FILE).write_bytes(damage(archive.pack(results)))
    with pytest.raises(ValueError, match="damaged"):
        archive.read(tmp_path)


def test_a_file_that_would_fill_the_memory_is_not_read(tmp_path, monkeypatch):
    (tmp_path / archive.FILE).write_bytes(lzma.compress(b"0" * 10_000))
    monkeypatch.setattr(archive, "MOST_BYTES", 9_000)
    with pytest.raises(ValueError, match="more than 9000 bytes"):
        archive.read(tmp_path)


def test_an_edited_record_is_an_error(tmp_path, results):
    text = lzma.decompress(archive.pack(results)).replace(b"0.7", b"0.8", 1)
    (tmp_path / archive.FILE).write_bytes(lzma.compress(text))
    with pytest.raises(ValueError, match="checksum"):
        archive.results(tmp_path)
