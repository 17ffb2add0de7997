"""A file is written whole or not at all."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nanocl.records import files


def test_a_written_file_has_the_content_and_its_folders_are_made(tmp_path):
    path = files.write(tmp_path / "a" / "b.txt", "é\n")
    assert path.read_bytes() == "é\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = files.write(tmp_path / "kept.txt", b"old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_bytes(b"half of the ne")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = files.write(tmp_path / "kept.txt", b"old")

    def full(self: Path, content: bytes) -> None:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        path = files.write(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_concurrent_writers_leave_one_of_their_contents(tmp_path):
    contents = [bytes([number]) * 100_000 for number in range(8)]
    path = tmp_path / "shared"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: files.write(path, content), contents))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_files_of_dead_processes_are_swept_and_those_of_living_ones_stay(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from nanocl.records import files\n"
        "with files.replacing(Path(sys.argv[1]) / 'a.b.pt') as temporary:\n"
        "    temporary.write_bytes(b'half'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    with files.replacing(tmp_path / "mine") as temporary:
        temporary.write_bytes(b"")
        assert files.sweep(tmp_path) == [left]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
