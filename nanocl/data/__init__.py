"""The data room: a named data set as arrays, found on disk, decoded once and recognised by its fingerprint.

Torch-free: pixels come as uint8 (N, C, H, W) numpy arrays.
"""

from __future__ import annotations

import os
from pathlib import Path

from nanocl.data import cache, sources
from nanocl.data.dataset import DataSet, Splits, fingerprint_of
from nanocl.data.images import resized
from nanocl.data.sources import DataMissing, Source
from nanocl.records import UserError

__all__ = ["DataMissing", "DataSet", "default_root", "fingerprint", "load"]

OFFICIAL = {
    "digits": "0a404d98eecd19a1",
    "mnist": "0877b14eb805cf62",
    "fashion-mnist": "76513642f631c06c",
}


def default_root() -> Path:
    """Where data is looked for: NANOCL_DATA_ROOT, else ./data if there is one, else the user's cache folder."""
    named = os.environ.get("NANOCL_DATA_ROOT")
    if named:
        return Path(named).expanduser()
    return Path("data") if Path("data").is_dir() else cache.user_folder() / "data"


def load(name: str, root: Path | None = None, *, image_size: int = 0) -> DataSet:
    """The data set `name` found under `root`.

    Args:
        name: `digits`, `mnist`, `fashion-mnist`, `cifar10`, `cifar100`, `flowers102`, or the name of an image folder
            (see `nanocl.data.folder`) or a zip of one in `root`.
        root: The data root; None for `default_root()`.
        image_size: Side of the squares that images are centre-cropped and resized to; 0 leaves them as they are.

    Raises:
        DataMissing: It is nowhere, and cannot be downloaded.
        UserError: What was found is damaged or laid out wrongly; nothing is cached then.
    """
    source, places, identity = _locate(name, root, image_size)
    for place in places:
        found = cache.read(place, identity)
        if found is not None:
            return found
    data = _decode(name, source, image_size)
    written = cache.write(places, data, identity)
    return (cache.read(written, identity) if written else None) or data


def fingerprint(name: str, root: Path | None = None, *, image_size: int = 0) -> str:
    """The fingerprint of `load(name, root, image_size=image_size)`, without reading pixels where it was decoded before.

    Raises:
        UserError: As `load` does.
    """
    _, places, identity = _locate(name, root, image_size)
    for place in places:
        values = cache.header(place, identity)
        if values is not None:
            return values["__metadata__"]["fingerprint"]
    return load(name, root, image_size=image_size).fingerprint


def _locate(name: str, root: Path | None, image_size: int) -> tuple[Source, tuple[Path, Path], str]:
    if not isinstance(image_size, int) or image_size < 0:
        raise UserError(f"image_size must be a whole number of pixels, or 0 for images as they are, got {image_size}")
    root = default_root() if root is None else Path(root).expanduser()
    source = sources.find(name, root)
    if source is None:
        raise sources.missing(name, root)
    return source, cache.locations(name, root, image_size), source.identity()


def _decode(name: str, source: Source, image_size: int) -> DataSet:
    try:
        splits = source.read(image_size)
    except OSError as error:
        raise UserError(f"cannot read {error.filename or name}: {error.strerror or error}") from error
    print_ = fingerprint_of(splits)
    official = splits.official or OFFICIAL.get(name) == print_
    final = resized(splits, image_size)
    return _named(name, final, print_ if final is splits else fingerprint_of(final), official)


def _named(name: str, splits: Splits, print_: str, official: bool) -> DataSet:
    return DataSet(splits.train_inputs, splits.train_labels, splits.test_inputs, splits.test_labels, splits.classes,
                   official, name, print_)
