"""The records of a released board in one file, so that it can be verified for ever.

A record in `runs/` is replaced when its run is measured again. The version that counted it must
stay verifiable, so each version has its own records: `records.jsonl.xz`, one record a line. The
manifest has the checksum of each record, not of the compressed file: other versions of the
compressor may write other bytes for the same records.
"""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanocl.records import RunResult, files, plain, store
from nanocl.records.encoding import to_record

FILE = "records.jsonl.xz"
MOST_BYTES = 2**29  # of all records of a board


def pack(results: Sequence[RunResult]) -> bytes:
    """The content of the file."""
    lines = [plain.compact(to_record(result)) + "\n" for result in results]
    return lzma.compress("".join(lines).encode(), preset=6)


def read(folder: Path) -> list[Any]:
    """The records as they are written, not verified.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, or too large.
    """
    packed = files.read(folder / FILE, MOST_BYTES)
    decompressor = lzma.LZMADecompressor()
    try:
        content = decompressor.decompress(packed, MOST_BYTES)
    except lzma.LZMAError as error:
        raise ValueError(f"{FILE} is damaged: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError(f"{FILE} is damaged, or has more than {MOST_BYTES} bytes")
    return [plain.parse(line) for line in content.decode().splitlines()]


def results(folder: Path) -> list[RunResult]:
    """The verified records.

    Raises:
        OSError: The file cannot be read.
        ValueError: It or a record is damaged.
    """
    return [store.verified(record) for record in read(folder)]
