"""Safetensors files with checksums: of the header, and of the tensors.

Both are in the header's metadata, so that any safetensors reader reads the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from nanocl.records import files, hash_of

METADATA = "__metadata__"
CHECKSUM = "checksum"
TENSORS = "sha256"
ALIGNMENT = 8  # of the tensors, as the format recommends
LONGEST = 10**8  # bytes of a header, the format's own limit


class Damaged(ValueError):
    """A file is not what was written, in words."""


class Unsealed(Damaged):
    """A file has no checksums: another program or an older version wrote it."""


def write(path: Path, content: bytes) -> Path:
    """Write a file of tensors with its checksums, atomically.

    Args:
        path: The file; its folder exists.
        content: As the functions `save` of safetensors return it.

    Raises:
        OSError: It cannot be written.
    """
    length = int.from_bytes(content[:8], "little")
    tensors = memoryview(content)[8 + length :]
    header = json.loads(content[8 : 8 + length])
    header[METADATA] = {
        **header.get(METADATA, {}),
        TENSORS: hashlib.sha256(tensors).hexdigest(),
    }
    header[METADATA][CHECKSUM] = _checksum(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        file.write(tensors)
    return path


def read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The verified header of an open file, and the position where its tensors begin.

    Raises:
        Damaged: It has no header, or another than was written.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= min(size, LONGEST):
        raise Damaged("it is no safetensors file")
    try:
        header = json.loads(file.read(length))
        metadata = header[METADATA]
        if CHECKSUM not in metadata or TENSORS not in metadata:
            raise Unsealed("it has no checksums")
        intact = metadata[CHECKSUM] == _checksum(header)
    except Damaged:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged("its header is damaged") from error
    if not intact:
        raise Damaged("its header does not have its checksum")
    return header, 8 + length


def check(header: Mapping[str, Any], tensors: memoryview) -> None:
    """Compare the tensors with their checksum.

    Raises:
        Damaged: They are not those that were written.
    """
    if hashlib.sha256(tensors).hexdigest() != header[METADATA][TENSORS]:
        raise Damaged("its tensors do not have their checksum")


def verify(path: Path) -> str:
    """Read a whole file and compare it with its checksums.

    Returns:
        The checksum of its header, which depends on the tensors too.

    Raises:
        Damaged: It is not what was written.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        header, _ = read_header(file)
        check(header, memoryview(file.read()))
    checksum: str = header[METADATA][CHECKSUM]
    return checksum


def _checksum(header: Mapping[str, Any]) -> str:
    metadata = {name: text for name, text in header[METADATA].items() if name != CHECKSUM}
    return hash_of({**header, METADATA: metadata}, 64)
