"""Named members of a tar file, read in one pass."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from nanocl.records import UserError


def read_members(archive: Path, wanted: Callable[[PurePosixPath], bool]) -> dict[str, bytes]:
    """The files in a tar (compressed or not) whose path is wanted, by file name. Nothing is written to disk.

    Raises:
        UserError: The file is truncated or damaged.
    """
    files: dict[str, bytes] = {}
    place = "at its start"
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                place = f"at {member.name}"
                path = PurePosixPath(member.name)
                if member.isfile() and wanted(path):
                    files[path.name] = tar.extractfile(member).read()
                place = f"after {member.name}"
            # the checksum stands at the very end
            while tar.fileobj.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{archive} is not a whole tar file, it breaks {place}: {error}") from error
    return files
