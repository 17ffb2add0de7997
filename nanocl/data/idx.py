"""The idx files of MNIST and Fashion-MNIST.

Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998 (the page that
describes the format).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanocl.data.dataset import Splits
from nanocl.records import UserError

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
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is not a complete gzip file: {error}") from error
    # two zeros, the type (8: unsigned byte), the number of dimensions; then the big-endian sizes
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes((0, 0, 8, dimensions)):
        raise UserError(f"{path} is not an idx file of unsigned bytes in {dimensions} dimensions")
    shape = [int(n) for n in np.frombuffer(data, ">i4", dimensions, 4)]
    size = start + np.prod(shape)
    if len(data) != size:
        raise UserError(f"{path} must have {size} bytes, but has {len(data)}: truncated or damaged")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
