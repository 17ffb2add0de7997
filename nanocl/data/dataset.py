"""A data set in memory, and the fingerprint that recognises it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Splits:
    """What a reader decodes: images (N, C, H, W) uint8 and class numbers (N,) int64 of both splits.

    Attributes:
        official: Whether the files read have the checksums of the official ones.
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

    The arrays may be mapped from the cache file: writing to them changes this process's copy only.

    Attributes:
        name: The name it was asked for by.
        fingerprint: 16 hex digits over pixels, labels and splits, see `fingerprint_of`.
        official: Whether it is exactly the published data set. `digits`, `mnist` and
            `fashion-mnist` are recognised by their fingerprint, whatever they were read from.
            `cifar10`, `cifar100` and `flowers102` are official only when read from files with the
            checksums of torchvision's list: their official fingerprints are not recorded here, so
            that an exact copy in another container counts as other. An official set resized with
            `image_size` stays official.
    """

    name: str = ""
    fingerprint: str = ""

    def facts(self) -> dict[str, Any]:
        """What a record says of the data, as plain JSON values."""
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
    """16 hex digits that depend on every pixel, label and split, but not on the order of samples or the container.

    The hash of the sorted hashes of the samples; a sample is its split, class number, shape and
    pixels. Pixels are taken as decoded: lossy formats (JPEG, WebP) and resizing may differ in a
    grey level, and so in the fingerprint, between versions of Pillow.
    """
    digests = _digests("train", splits.train_inputs, splits.train_labels)
    digests += _digests("test", splits.test_inputs, splits.test_labels)
    return hashlib.blake2b(b"".join(sorted(digests)), digest_size=8).hexdigest()


def _digests(split: str, inputs: np.ndarray, labels: np.ndarray) -> list[bytes]:
    shape = "x".join(map(str, inputs.shape[1:]))
    pixels = memoryview(np.ascontiguousarray(inputs).reshape(len(inputs), -1))
    digests = []
    for number, label in enumerate(labels.tolist()):
        sample = hashlib.blake2b(f"{split} {label} {shape} ".encode(), digest_size=16)
        sample.update(pixels[number : number + 1])
        digests.append(sample.digest())
    return digests
