"""The one way to write a file: whole, or not at all; and to read one of unknown size and kind."""

from __future__ import annotations

import os
import platform
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".part"


class Refused(ValueError):
    """A file that is not read: no regular file, too large, or no possible path."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; the file written there replaces `path` when the block ends.

    After an error in the block `path` is as it was and the temporary file is gone. The name is
    unique, so that several processes can write the same file; permissions follow the umask.

    Raises:
        OSError: The file cannot be written.
    """
    owner = f"{_machine()}-{os.getpid()}"
    temporary = path.with_name(f".{path.name}.{owner}.{uuid.uuid4().hex[:12]}{TEMPORARY}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # the name must not survive a power cut without the content
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write(path: Path, content: bytes | str) -> Path:
    """Write a whole file, its folders made where they are missing; text is UTF-8 with `\\n`.

    Returns:
        `path`.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises:
        OSError: It cannot be read.
        Refused: It is a pipe or a device (opening one may wait for ever), it is too large, or the
            path contains a null character.
    """
    try:
        status = os.stat(path)  # a report reads thousands of files: `Path.open` takes twice as long
    except ValueError as error:
        raise Refused(f"no file can have the name {str(path)!r}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise Refused(f"it is {kind}")
    size = status.st_size
    if size <= most:
        with open(path, "rb") as file:
            content = file.read(size + 1)
        size = len(content)  # it may have grown
    if size > most:
        raise Refused(f"it has {size} bytes, at most {most} are read")
    return content


def reason(error: OSError) -> str:
    """What the operating system refused, in one sentence."""
    words = error.strerror or str(error) or type(error).__name__
    return f"cannot read or write {str(error.filename)!r} ({words})" if error.filename else words


def sweep(folder: Path) -> list[Path]:
    """Delete the temporary files in a folder that a dead process of this machine left behind.

    Returns:
        The deleted files.
    """
    swept = []
    for path in folder.glob(f".*{TEMPORARY}"):
        node, _, process = path.name.removesuffix(TEMPORARY).split(".")[-2].rpartition("-")
        if node == _machine() and process.isdigit() and not _is_alive(int(process)):
            path.unlink(missing_ok=True)
            swept.append(path)
    return swept


def _machine() -> str:
    return platform.node().replace(".", "_")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
