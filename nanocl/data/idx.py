"""The idx files of MNIST and its relatives.

Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998 (the format's own
page).
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
    """The data set in four idx files, in the order of `FILES`."""
    splits = []
    for images, labels in (paths[:2], paths[2:]):
        pixels, numbers = read_array(images, 3), read_array(labels, 1).astype(np.int64)
        if len(pixels) != len(numbers):
            raise UserError(
                f"{images} holds {len(pixels)} images, but {labels} holds {len(numbers)} labels"
            )
        if len(numbers) == 0 or numbers.max() >= len(classes):
            raise UserError(
                f"{labels} must hold labels below {len(classes)}, got {numbers.max(initial=-1)}"
            )
        splits += [pixels[:, None], numbers]
    if splits[0].shape[1:] != splits[2].shape[1:]:
        raise UserError(f"{paths[0]} and {paths[2]} hold images of different sizes")
    return Splits(*splits, classes)


def read_array(path: Path, dimensions: int) -> np.ndarray:
    """Unsigned bytes of one idx file, gzipped or not."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is not a whole gzip file: {error}") from error
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes((0, 0, 8, dimensions)):
        raise UserError(f"{path} is not an idx file of unsigned bytes in {dimensions} dimensions")
    shape = [int(n) for n in np.frombuffer(data, ">i4", dimensions, 4)]
    if len(data) != start + np.prod(shape):
        raise UserError(
            f"{path} should be {start + np.prod(shape)} bytes, but is {len(data)}: truncated or damaged"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
