"""The idx files of MNIST and Fashion-MNIST.

Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998 (the page that
describes the format).
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from nanocl.data import limits
from nanocl.data.dataset import Splits
from nanocl.records import UserError

CHUNK = 2**20  # bytes read at a time
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def read_idx(paths: Sequence[Path], classes: tuple[str, ...]) -> Splits:
    """Read the data set from four idx files, in the order of `FILES`.

    Raises:
        UserError: A file is truncated, damaged or of another format, or images and labels differ in
            number, or the two splits in image size.
    """
    train = _split(paths[0], paths[1], len(classes))
    test = _split(paths[2], paths[3], len(classes))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise UserError(f"{paths[0]} and {paths[2]} contain images of different sizes")
    return Splits(*train, *test, classes)


def _split(images: Path, labels: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    pixels = read_array(images, 3)
    numbers = read_array(labels, 1).astype(np.int64)
    if len(pixels) != len(numbers):
        raise UserError(
            f"{images} contains {len(pixels)} images, but {labels} contains {len(numbers)} labels"
        )
    if len(numbers) == 0 or numbers.max() >= classes:
        raise UserError(
            f"{labels} must contain labels below {classes}, got {numbers.max(initial=-1)}"
        )
    return pixels[:, None], numbers


def read_array(path: Path, dimensions: int) -> np.ndarray:
    """The array of unsigned bytes in one idx file, gzipped or not.

    Raises:
        UserError: The file is truncated, damaged or of another format.
    """
    start = 4 + 4 * dimensions
    try:
        with _opened(path) as file:
            # two zeros, the type (8: unsigned byte), the number of dimensions; then the sizes
            header = file.read(start)
            if len(header) < start or header[:4] != bytes((0, 0, 8, dimensions)):
                raise UserError(
                    f"{path} is not an idx file of unsigned bytes in {dimensions} dimensions"
                )
            shape = np.frombuffer(header, ">u4", dimensions, 4).tolist()
            size = math.prod(shape)
            limits.check_memory(size, str(path))
            content = _content(file, size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is not a complete gzip file: {error}") from error
    if len(content) != size:
        has = f"more than {start + size}" if len(content) > size else str(start + len(content))
        raise UserError(
            f"{path} must have {start + size} bytes, but has {has}: truncated or damaged"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def _content(file: BinaryIO, size: int) -> bytes:
    """At most `size` bytes and one more, and no memory for bytes that the file does not have."""
    content = bytearray()
    while len(content) <= size:
        part = file.read(min(CHUNK, size + 1 - len(content)))
        if not part:
            break
        content += part
    return bytes(content)
