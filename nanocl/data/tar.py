"""Reads some members of a tar file in one pass."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from nanocl.records import UserError


def read_members(archive: Path, wanted: Callable[[PurePosixPath], bool]) -> dict[str, bytes]:
    """Contents of some files in a tar file (compressed or not), by file name; writes nothing.

    Args:
        archive: The tar file.
        wanted: Whether to read the file at a path.

    Raises:
        UserError: The tar file is truncated or damaged.
    """
    files: dict[str, bytes] = {}
    place = "at its start"
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                place = f"at {member.name}"
                path = PurePosixPath(member.name)
                reader = tar.extractfile(member) if member.isfile() and wanted(path) else None
                if reader is not None:
                    files[path.name] = reader.read()
                place = f"after {member.name}"
            # gzip checks its checksum only when the end of the file is read
            while tar.fileobj.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(
            f"{archive} is not a complete tar file, it is damaged {place}: {error}"
        ) from error
    return files
