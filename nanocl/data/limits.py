"""Sizes that are refused before memory is taken for them."""

from __future__ import annotations

import os
from pathlib import Path

from nanocl.records import UserError, files

LARGEST_SIDE = 4096  # pixels of `image_size`
MOST_PIXELS = 2**26  # of one image file: 8192 x 8192
MOST_BYTES = 2**29  # of one file in a data set or an archive; the largest known has 345 MB
_UNKNOWN = 2**36  # bytes of memory on a system that does not tell


def check_image_size(image_size: int) -> None:
    """Refuse a size of images that is none, or too large.

    Raises:
        UserError: With the allowed sizes.
    """
    whole = isinstance(image_size, int) and not isinstance(image_size, bool)
    if not whole or not 0 <= image_size <= LARGEST_SIDE:
        raise UserError(
            f"image_size must be a number of pixels up to {LARGEST_SIDE}, or 0 to keep the size, "
            f"got {image_size!r}"
        )


def check_bytes(size: int, described: str) -> None:
    """Refuse a file or member of an archive that is too large.

    Raises:
        UserError: With its size and the limit.
    """
    if size > MOST_BYTES:
        raise UserError(f"{described} has {size} bytes; at most {MOST_BYTES} are read")


def check_memory(size: int, described: str) -> None:
    """Refuse an array that does not fit into the memory of this machine.

    Raises:
        UserError: With both sizes.
    """
    memory = _memory()
    if size > memory:
        raise UserError(
            f"{described} needs {size / 2**30:.1f} GiB of memory, this machine has "
            f"{memory / 2**30:.1f} GiB; use fewer or smaller images (stream.image_size)"
        )


def read(path: Path) -> bytes:
    """The content of a file of a data set.

    Raises:
        OSError: It cannot be read.
        UserError: It is not a regular file, or is too large.
    """
    try:
        return files.read(path, MOST_BYTES)
    except files.Refused as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _memory() -> int:
    """Bytes of physical memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN
