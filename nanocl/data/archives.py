"""Names, checksums and mirrors of the official files, and fingerprints of official data sets.

Names, checksums and mirrors are those of torchvision 0.30 (`torchvision.datasets`), without mirrors
that have no https; Fashion-MNIST is downloaded from its authors' repository.

OFFICIAL_FINGERPRINTS were computed from the published files: MNIST from gzip files with
torchvision's checksums; Fashion-MNIST from Debian's gzip files, which have torchvision's checksums
after the missing file name and time are restored in their headers; digits from scikit-learn 1.9.
CIFAR-10, CIFAR-100 and Flowers-102 have no fingerprint here, because we had no official copy of
their pixels; they are recognised by the checksums of their files only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Archive:
    """The files that torchvision downloads for one data set.

    Attributes:
        folder: Folder of the files, relative to the data root.
        files: MD5 checksum of each file, by file name.
        mirrors: Addresses that serve these files, in order of preference.
    """

    folder: str
    files: Mapping[str, str]
    mirrors: tuple[str, ...]


ARCHIVES: Mapping[str, Archive] = {
    "mnist": Archive(
        "MNIST/raw",
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        ("https://ossci-datasets.s3.amazonaws.com/mnist/",),
    ),
    "fashion-mnist": Archive(
        "FashionMNIST/raw",
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",),
    ),
    "cifar10": Archive(
        "",
        {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
        ("https://www.cs.toronto.edu/~kriz/",),
    ),
    "cifar100": Archive(
        "",
        {"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
        ("https://www.cs.toronto.edu/~kriz/",),
    ),
    "flowers102": Archive(
        "flowers-102",
        {
            "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
            "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
            "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
        },
        ("https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",),
    ),
}

OFFICIAL_FINGERPRINTS: Mapping[str, str] = {
    "digits": "0a404d98eecd19a1",
    "mnist": "0877b14eb805cf62",
    "fashion-mnist": "76513642f631c06c",
}


def md5_of(path: Path) -> str:
    """MD5 checksum of a file; not for security."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
