"""CIFAR-10 and CIFAR-100 in their author's format: Python pickles, in a tar file or unpacked.

A pickle can run any program. These are therefore read by an unpickler that accepts only plain
values and arrays of bytes, even if the checksums are the official ones.

Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanocl.data import limits
from nanocl.data.archives import ARCHIVES, md5_of
from nanocl.data.dataset import Splits
from nanocl.data.tar import read_members
from nanocl.records import UserError

SHAPE = (3, 32, 32)


@dataclass(frozen=True)
class Layout:
    """File names and keys of one of the two data sets.

    Attributes:
        archive: Name of the tar file.
        folder: Name of the folder in the tar file.
        train, test: Batches of each split, in order.
        meta: File with the class names.
        labels, names: Keys of labels in a batch and of class names in `meta`.
        checksums: MD5 checksum of the tar file and of each file in it, by file name.
    """

    archive: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    labels: str
    names: str
    checksums: Mapping[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        """All files in the folder."""
        return (*self.train, *self.test, self.meta)


CIFAR10 = Layout(
    "cifar-10-python.tar.gz",
    "cifar-10-batches-py",
    tuple(f"data_batch_{n}" for n in range(1, 6)),
    ("test_batch",),
    "batches.meta",
    "labels",
    "label_names",
    {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        **ARCHIVES["cifar10"].files,
    },
)
CIFAR100 = Layout(
    "cifar-100-python.tar.gz",
    "cifar-100-python",
    ("train",),
    ("test",),
    "meta",
    "fine_labels",
    "fine_label_names",
    {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
        **ARCHIVES["cifar100"].files,
    },
)
LAYOUTS = {"cifar10": CIFAR10, "cifar100": CIFAR100}


def read_cifar(where: Path, layout: Layout) -> Splits:
    """Read the data set from a tar file or an unpacked folder.

    Raises:
        UserError: A file is truncated or damaged, or a pickle contains anything but arrays of
            bytes and plain values.
    """
    files, official = _from_tar(where, layout) if where.is_file() else _from_folder(where, layout)
    meta = unpickle(files[layout.meta], f"{where}/{layout.meta}")
    classes = meta.get(layout.names) if isinstance(meta, dict) else None
    if (
        not isinstance(classes, list)
        or not classes
        or not all(isinstance(name, str) for name in classes)
    ):
        raise UserError(f"{where}/{layout.meta} must list the class names under {layout.names!r}")

    def split(batches: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        parts = [
            _batch(files[name], f"{where}/{name}", layout.labels, len(classes)) for name in batches
        ]
        pixels, labels = zip(*parts, strict=True)
        return np.concatenate(pixels), np.concatenate(labels)

    return Splits(*split(layout.train), *split(layout.test), tuple(classes), official)


def unpickle(data: bytes, described: str) -> Any:
    """Plain values and arrays of bytes from a pickle of Python 2 or 3.

    Args:
        data: The pickle.
        described: The file's name in error messages.

    Raises:
        UserError: The pickle is damaged, or contains anything else.
    """
    try:
        return _PlainUnpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can fail in any way
        raise UserError(
            f"{described} is not a complete pickle of plain values and arrays of bytes: {error}"
        ) from error


class _PlainUnpickler(pickle.Unpickler):
    """Builds plain values, and arrays of unsigned bytes from the stand-ins below."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _Bytes
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        raise pickle.UnpicklingError(f"it contains {module}.{name}")


class _Type:
    """Stands in for a numpy dtype."""

    def __init__(self, code: str, *_: Any) -> None:
        if code != "u1":
            raise pickle.UnpicklingError(
                f"it contains an array of type {code!r}, not of unsigned bytes"
            )

    def __setstate__(self, state: Any) -> None:
        """Ignore byte order and alignment: single bytes have neither."""


class _Bytes:
    """Stands in for a numpy array.

    numpy pickles an empty array, followed by a state with the shape, type, order and bytes.
    """

    values: np.ndarray | None = None

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, _Type):
            raise pickle.UnpicklingError("it contains an array without a type")
        # Python 2 wrote bytes as text
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        self.values = np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


_STAND_INS = {
    ("numpy", "ndarray"): _Bytes,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
}


def _batch(
    data: bytes,
    described: str,
    key: str,
    classes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one batch, with the labels under `key`."""
    batch = unpickle(data, described)
    pixels, labels = (
        (batch.get("data"), batch.get(key)) if isinstance(batch, dict) else (None, None)
    )
    values = pixels.values if isinstance(pixels, _Bytes) else None
    if (
        values is None
        or values.shape[1:] != (3072,)
        or not isinstance(labels, list)
        or len(labels) != len(values)
    ):
        raise UserError(
            f"{described} must contain 'data' (n, 3072) of unsigned bytes "
            f"and n labels under {key!r}"
        )
    if not all(isinstance(label, int) and 0 <= label < classes for label in labels):
        raise UserError(f"{described} must contain labels from 0 to {classes - 1}")
    return values.reshape(-1, *SHAPE), np.array(labels, np.int64)


def _from_folder(folder: Path, layout: Layout) -> tuple[dict[str, bytes], bool]:
    files = {name: limits.read(folder / name) for name in layout.files}
    official = all(
        hashlib.md5(data, usedforsecurity=False).hexdigest() == layout.checksums[name]
        for name, data in files.items()
    )
    return files, official


def _from_tar(archive: Path, layout: Layout) -> tuple[dict[str, bytes], bool]:
    files = read_members(
        archive, lambda path: path.parent.name == layout.folder and path.name in layout.files
    )
    absent = [name for name in layout.files if name not in files]
    if absent:
        raise UserError(
            f"{archive} lacks {layout.folder}/{absent[0]}: truncated, or a different archive"
        )
    return files, md5_of(archive) == layout.checksums[layout.archive]
