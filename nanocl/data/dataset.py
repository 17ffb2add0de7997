"""A data set in memory, and its fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Splits:
    """Images (N, C, H, W) uint8 and class numbers (N,) int64 of a training and a test split.

    Attributes:
        official: Whether the files have the checksums of the official ones.
    """

    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    official: bool = False


@dataclass(frozen=True, eq=False)
class DataSet(Splits):
    """A named data set with its fingerprint.

    The arrays may be mapped from a cache file: writing to them changes only this process's copy.

    Attributes:
        name: The name it was loaded by.
        fingerprint: 16 hex digits that depend on pixels, labels and splits, see `fingerprint_of`.
        official: Whether it is exactly the published data set. `digits`, `mnist` and
            `fashion-mnist` are recognised by their fingerprint, in any file format. `cifar10`,
            `cifar100` and `flowers102` are official only when read from files with torchvision's
            checksums: we have no fingerprint of their official versions, so an exact copy in
            another file format counts as not official. An official data set resized with
            `image_size` stays official.
    """

    name: str = ""
    fingerprint: str = ""

    def facts(self) -> dict[str, Any]:
        """The description of the data set in a record, as plain JSON values."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "release": "official" if self.official else "other",
            "train": len(self.train_labels),
            "test": len(self.test_labels),
            "shape": [int(side) for side in self.train_inputs.shape[1:]],
            "classes": len(self.classes),
        }


def fingerprint_of(splits: Splits) -> str:
    """16 hex digits that depend on every pixel, label and split.

    They do not depend on the order of the samples or on the file format: this is the hash of the
    sorted hashes of the samples, each over the sample's split, class number, shape and decoded
    pixels. Between versions of Pillow, lossy formats (JPEG, WebP) and resizing may differ by a grey
    level, and then the fingerprint differs too.
    """
    digests = _digests("train", splits.train_inputs, splits.train_labels)
    digests += _digests("test", splits.test_inputs, splits.test_labels)
    return hashlib.blake2b(b"".join(sorted(digests)), digest_size=8).hexdigest()


def _digests(split: str, inputs: np.ndarray, labels: np.ndarray) -> list[bytes]:
    shape = "x".join(map(str, inputs.shape[1:]))
    pixels = np.ascontiguousarray(inputs).reshape(len(inputs), -1).data
    digests = []
    for number, label in enumerate(labels.tolist()):
        sample = hashlib.blake2b(f"{split} {label} {shape} ".encode(), digest_size=16)
        sample.update(pixels[number : number + 1])
        digests.append(sample.digest())
    return digests
