"""Reads some members of a tar file in one pass."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from nanocl.data import limits
from nanocl.records import UserError

COMPRESSIONS: Mapping[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


class _Bounded:
    """A file of which one call reads no more than a file may have; tarfile reads headers whole."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        """`size` bytes.

        Raises:
            ReadError: That is too much.
        """
        if not 0 <= size <= limits.MOST_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.file.read(size)


def read_members(archive: Path, wanted: Callable[[PurePosixPath], bool]) -> dict[str, bytes]:
    """Contents of some files in a tar file (compressed or not), by file name; writes nothing.

    Args:
        archive: The tar file.
        wanted: Whether to read the file at a path.

    Raises:
        UserError: The tar file is truncated or damaged.
    """
    files: dict[str, bytes] = {}
    total = 0
    place = "at its start"
    try:
        with (
            _opened(archive) as file,
            tarfile.open(fileobj=cast(Any, _Bounded(file)), mode="r:") as tar,
        ):
            for member in tar:
                place = f"at {member.name}"
                path = PurePosixPath(member.name)
                reader = tar.extractfile(member) if member.isfile() and wanted(path) else None
                if reader is not None:
                    total += member.size
                    limits.check_bytes(total, f"{archive} up to {member.name}")
                    files[path.name] = reader.read()
                place = f"after {member.name}"
            # gzip checks its checksum only when the end of the file is read
            while file.read(1 << 20):
                pass
    except UserError:
        raise
    except (tarfile.TarError, ValueError, lzma.LZMAError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(
            f"{archive} is not a complete tar file, it is damaged {place}: {error}"
        ) from error
    return files


def _opened(archive: Path) -> BinaryIO:
    """The tar file without its compression."""
    with archive.open("rb") as file:
        begin = file.read(6)
    for magic, opened in COMPRESSIONS.items():
        if begin.startswith(magic):
            return cast(BinaryIO, opened(archive))
    return archive.open("rb")
