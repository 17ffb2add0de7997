"""The data room: a named data set as arrays, found on disk, decoded once and recognised by its fingerprint.

Torch-free: pixels come as uint8 (N, C, H, W) numpy arrays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nanocl.data import cache
from nanocl.data.archives import ARCHIVES, OFFICIAL_FINGERPRINTS
from nanocl.data.dataset import DataSet, fingerprint_of
from nanocl.data.download import download as fetch
from nanocl.data.images import resized
from nanocl.data.missing import DataMissing, data_missing
from nanocl.data.sources import KNOWN, Source, find
from nanocl.data.subsets import parse_names
from nanocl.records import UserError

__all__ = [
    "KNOWN",
    "DataMissing",
    "DataSet",
    "default_root",
    "find_file",
    "fingerprint",
    "load",
    "parse_names",
]


def default_root() -> Path:
    """Where data is looked for: NANOCL_DATA_ROOT, else ./data if there is one, else the user's cache folder."""
    named = os.environ.get("NANOCL_DATA_ROOT")
    if named:
        return Path(named).expanduser()
    return Path("data") if Path("data").is_dir() else cache.user_folder() / "data"


def load(
    name: str, root: Path | None = None, *, image_size: int = 0, download: bool = True
) -> DataSet:
    """The data set `name` found under `root`.

    Args:
        name: `digits`, `mnist`, `fashion-mnist`, `cifar10`, `cifar100`, `flowers102`, or the name
            of an image folder (see `nanocl.data.folder`) or a zip of one in `root`. The known names
            are looked for in torchvision's layout first.
        root: The data root; None for `default_root()`. Decoded copies are kept in its folder
            `.nanocl` if it is writable, else in the user's cache folder.
        image_size: Side of the squares that images are centre-cropped and resized to; 0 leaves them
            as they are.
        download: Whether a known data set that is missing is downloaded to where torchvision puts
            it.

    Raises:
        DataMissing: It is nowhere, and was not downloaded.
        UserError: What was found is damaged or laid out wrongly; nothing is cached then.
    """
    with _one_sentence(name):
        source, places, identity = _locate(name, root, image_size, download)
        found = next((data for place in places if (data := cache.read(place, identity))), None)
        if found is not None:
            return found
        data = _decode(name, source, image_size)
        written = cache.write(places, data, identity)
        return (cache.read(written, identity) if written else None) or data


def find_file(name: str, root: Path | None = None) -> Path | None:
    """A file by its path, or by its path below the data root; None where there is neither."""
    root = default_root() if root is None else Path(root).expanduser()
    return next((path for path in (Path(name).expanduser(), root / name) if path.is_file()), None)


def fingerprint(
    name: str, root: Path | None = None, *, image_size: int = 0, download: bool = True
) -> str:
    """The fingerprint of `load` with these arguments, without reading pixels where it was decoded before.

    Raises:
        UserError: As `load` does.
    """
    with _one_sentence(name):
        _, places, identity = _locate(name, root, image_size, download)
        facts = next((facts for place in places if (facts := cache.facts(place, identity))), None)
    return (
        facts["fingerprint"]
        if facts
        else load(name, root, image_size=image_size, download=download).fingerprint
    )


def _locate(
    name: str, root: Path | None, image_size: int, download: bool
) -> tuple[Source, tuple[Path, Path], str]:
    if isinstance(image_size, bool) or not isinstance(image_size, int) or image_size < 0:
        raise UserError(
            f"image_size must be a number of pixels, or 0 for images as they are, got {image_size!r}"
        )
    root = default_root() if root is None else Path(root).expanduser()
    source = find(name, root)
    if source is None:
        reason = "downloading is switched off"
        if download and name in ARCHIVES:
            reason = fetch(ARCHIVES[name], root)
            source = find(name, root)
        if source is None:
            raise data_missing(name, root, reason)
    return source, cache.locations(name, root, image_size), source.identity()


def _decode(name: str, source: Source, image_size: int) -> DataSet:
    splits = source.read(image_size)
    official = splits.official or fingerprint_of(splits) == OFFICIAL_FINGERPRINTS.get(name)
    splits = resized(splits, image_size)
    return DataSet(
        **{**vars(splits), "official": official}, name=name, fingerprint=fingerprint_of(splits)
    )


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Report a file that the system refuses to read as the user's to mend."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot read {error.filename or name}: {error.strerror or error}"
        ) from error
