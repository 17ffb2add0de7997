"""Oxford Flowers-102 in its authors' format: 102flowers.tgz or jpg/, imagelabels.mat, setid.mat.

Training images are the official training split (1,020); the official validation split is not used.

Source: Nilsback and Zisserman, Automated flower classification over a large number of classes,
2008.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nanocl.data import limits
from nanocl.data.archives import ARCHIVES, md5_of
from nanocl.data.dataset import Splits
from nanocl.data.images import decode_all
from nanocl.data.tar import read_members
from nanocl.records import UserError

TAR, LABELS, IDS = ARCHIVES["flowers102"].files
CLASSES = tuple(str(number) for number in range(1, 103))


def read_flowers(folder: Path, image_size: int) -> Splits:
    """Read the data set from 102flowers.tgz in `folder` if it is there, else from jpg/.

    Only 102flowers.tgz has a checksum, so only images from it can count as official.

    Raises:
        UserError: A file is damaged, or `image_size` is 0 and the images differ in size, as they do
            in the official files.
    """
    packed = (folder / TAR).is_file()
    where = folder / (TAR if packed else "jpg")
    labels = _numbers(folder / LABELS, "labels", len(CLASSES))
    read = _from_tar(where) if packed else lambda name: limits.read(where / name)

    def split(key: str) -> tuple[np.ndarray, np.ndarray]:
        ids = np.sort(_numbers(folder / IDS, key, len(labels)))
        names = [f"image_{number:05d}.jpg" for number in ids]
        images, _ = decode_all(names, read, lambda name: f"{where}/{name}", image_size)
        return images, labels[ids - 1] - 1  # the files count images and classes from 1

    train = split("trnid")
    test = split("tstid")
    official = packed and all(
        md5_of(folder / name) == md5 for name, md5 in ARCHIVES["flowers102"].files.items()
    )
    return Splits(*train, *test, CLASSES, official)


def _numbers(path: Path, key: str, highest: int) -> np.ndarray:
    """The numbers under `key` in a MATLAB file, each from 1 to `highest`."""
    from scipy.io import loadmat

    try:
        values = np.asarray(loadmat(path)[key]).reshape(-1).astype(np.int64)
    except Exception as error:  # a damaged mat file can fail in any way
        raise UserError(f"{path} is not a complete MATLAB file with {key!r}: {error}") from error
    if len(values) == 0 or values.min() < 1 or values.max() > highest:
        raise UserError(f"{path} must contain numbers from 1 to {highest} under {key!r}")
    return values


def _from_tar(archive: Path) -> Callable[[str], bytes]:
    files = read_members(archive, lambda path: path.suffix == ".jpg")

    def read(name: str) -> bytes:
        if name not in files:
            raise UserError(f"{archive} lacks {name}: truncated, or a different archive")
        return files[name]

    return read
