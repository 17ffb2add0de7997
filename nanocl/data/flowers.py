"""Oxford Flowers-102 as its authors publish it: jpg/ or 102flowers.tgz, imagelabels.mat and setid.mat.

Training images are the official training split (1,020); the official validation split is left out.

Source: Nilsback and Zisserman, Automated flower classification over a large number of classes, 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        UserError: A file is damaged, or `image_size` is 0 and sizes differ, as they do in the official files.
    """
    packed = (folder / TAR).is_file()
    labels = _matrix(folder / LABELS, "labels")
    ids = {split: np.sort(_matrix(folder / IDS, key)) for split, key in (("train", "trnid"), ("test", "tstid"))}
    if min(labels.min(), *(i.min() for i in ids.values())) < 1 or max(i.max() for i in ids.values()) > len(labels) \
            or labels.max() > len(CLASSES):
        raise UserError(f"{folder / IDS} and {folder / LABELS} do not fit together: a number is out of range")
    read = _from_tar(folder / TAR) if packed else lambda name: (folder / "jpg" / name).read_bytes()
    where = folder / (TAR if packed else "jpg")
    images, gray = {}, []
    for split, numbers in ids.items():
        names = [f"image_{number:05d}.jpg" for number in numbers]
        images[split] = decode_all(names, read, lambda name: f"{where}/{name}", image_size)
    official = packed and all(md5_of(folder / name) == md5 for name, md5 in ARCHIVES["flowers102"].files.items())
    return Splits(images["train"], labels[ids["train"] - 1] - 1, images["test"], labels[ids["test"] - 1] - 1, CLASSES,
                  official)
