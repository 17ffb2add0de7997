"""Oxford Flowers-102 as its authors publish it: jpg/ or 102flowers.tgz, imagelabels.mat and setid.mat.

Training images are the official training split (1,020); the official validation split is left out.

Source: Nilsback and Zisserman, Automated flower classification over a large number of classes,
2008.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nanocl.data.archives import ARCHIVES, md5_of
from nanocl.data.dataset import Splits
from nanocl.data.images import decode_all
from nanocl.data.tar import read_members
from nanocl.records import UserError

TAR, LABELS, IDS = ARCHIVES["flowers102"].files
CLASSES = tuple(str(number) for number in range(1, 103))


def read_flowers(folder: Path, image_size: int) -> Splits:
    """The data set in `folder`, from 102flowers.tgz where that is kept (only it can be told official), else jpg/.

    Raises:
        UserError: A file is damaged, or `image_size` is 0 and sizes differ, as they do in the
            official files.
    """
    packed = (folder / TAR).is_file()
    where = folder / (TAR if packed else "jpg")
    labels = _numbers(folder / LABELS, "labels", len(CLASSES))
    read = _from_tar(where) if packed else lambda name: (where / name).read_bytes()
    arrays: list[np.ndarray] = []
    for key in ("trnid", "tstid"):
        ids = np.sort(_numbers(folder / IDS, key, len(labels)))
        images, _ = decode_all(
            [f"image_{number:05d}.jpg" for number in ids],
            read,
            lambda name: f"{where}/{name}",
            image_size,
        )
        arrays += [images, labels[ids - 1] - 1]
    official = packed and all(
        md5_of(folder / name) == md5 for name, md5 in ARCHIVES["flowers102"].files.items()
    )
    return Splits(*arrays, CLASSES, official)


def _numbers(path: Path, key: str, highest: int) -> np.ndarray:
    from scipy.io import loadmat

    try:
        values = np.asarray(loadmat(path)[key]).reshape(-1).astype(np.int64)
    except Exception as error:  # a damaged mat file can fail in any way
        raise UserError(f"{path} is not a whole MATLAB file with {key!r}: {error}") from error
    if len(values) == 0 or values.min() < 1 or values.max() > highest:
        raise UserError(f"{path} must hold numbers from 1 to {highest} under {key!r}")
    return values


def _from_tar(archive: Path) -> Callable[[str], bytes]:
    files = read_members(archive, lambda path: path.suffix == ".jpg")

    def read(name: str) -> bytes:
        if name not in files:
            raise UserError(f"{archive} lacks {name}: truncated, or another archive")
        return files[name]

    return read
