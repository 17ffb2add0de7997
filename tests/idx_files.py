"""Small idx files for tests."""

import gzip
from pathlib import Path

import numpy as np


def idx_bytes(array: np.ndarray) -> bytes:
    """An idx file of unsigned bytes."""
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


def write_idx(folder: Path, *, packed: bool = True, count: int = 20) -> dict[str, np.ndarray]:
    """Write four idx files of random images and labels; half as many for testing as for training.

    Returns:
        The arrays by file name.
    """
    random = np.random.default_rng(1)
    folder.mkdir(parents=True)
    arrays = {}
    for split, n in (("train", count), ("t10k", count // 2)):
        arrays[f"{split}-images-idx3-ubyte"] = random.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[f"{split}-labels-idx1-ubyte"] = random.integers(0, 10, n, np.uint8)
    for name, array in arrays.items():
        data = idx_bytes(array)
        (folder / f"{name}{'.gz' if packed else ''}").write_bytes(
            gzip.compress(data) if packed else data
        )
    return arrays
