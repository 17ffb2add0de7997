"""Data sets as numpy arrays, found on disk by name, decoded once and cached.

Loads no torch. Pixels are uint8 arrays of shape (N, C, H, W); tokens of texts int32 (N, length).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nanocl.data import cache, limits, tensors
from nanocl.data.archives import ARCHIVES, OFFICIAL_FINGERPRINTS
from nanocl.data.dataset import DataSet, fingerprint_of
from nanocl.data.download import download as fetch
from nanocl.data.images import resized
from nanocl.data.missing import DataMissing, data_missing
from nanocl.data.sources import STANDARD, Source, find
from nanocl.data.subsets import parse_names
from nanocl.data.text import as_bytes
from nanocl.data.tokens import Tokenizer
from nanocl.records import UserError
from nanocl.records.roots import DataRoot, roots

__all__ = [
    "STANDARD",
    "DataMissing",
    "DataSet",
    "Tokenizer",
    "default_root",
    "find_file",
    "fingerprint",
    "load",
    "parse_names",
]


def default_root() -> Path:
    """The data root when none is named, the first of `nanocl.records.roots.roots()`."""
    return roots()[0]


def load(
    name: str,
    data_root: DataRoot = None,
    *,
    image_size: int = 0,
    tokenizer: Tokenizer | None = None,
    download: bool = True,
) -> DataSet:
    """Load the data set `name` from the data root.

    Args:
        name: A standard data set (`digits`, `mnist`, `fashion-mnist`, `cifar10`, `cifar100`,
            `flowers102`), or the name of an image folder (see `nanocl.data.folder`), of a zip of
            one, or of a folder with texts (see `nanocl.data.text`). A standard data set is searched
            in torchvision's layout first.
        data_root: Folder that holds the data sets, or several, searched in order; None for the
            default. Decoded copies and downloads go into the first; copies into its subfolder
            `.nanocl` if that is writable, else into that of the next or the user's cache folder.
        image_size: Side of the squares that images are centre-cropped and resized to; 0 keeps
            their size.
        tokenizer: Turns texts into tokens; without one they are UTF-8 bytes. Unused for images.
        download: Whether to download a missing standard data set to torchvision's place for it.

    Raises:
        DataMissing: The data set is missing and was not downloaded.
        UserError: A file is damaged or has the wrong layout; nothing is cached in that case.
    """
    with _system_errors_named(name):
        source, places, identity = _locate(name, data_root, image_size, tokenizer, download)
        for place in places:
            copy = cache.read(place, identity)
            if copy is not None:
                return copy
        data = _decode(name, source, image_size, tokenizer)
        written = cache.write(places, data, identity)
        return (cache.read(written, identity) if written else None) or data


def find_file(name: str, data_root: DataRoot = None) -> Path | None:
    """The file at the path `name`, or at that path below a data root; None if none exists."""
    if "\0" in name:
        return None
    places = (Path(name).expanduser(), *(folder / name for folder in roots(data_root)))
    return next((path for path in places if path.is_file()), None)


def fingerprint(
    name: str,
    data_root: DataRoot = None,
    *,
    image_size: int = 0,
    tokenizer: Tokenizer | None = None,
    download: bool = True,
) -> str:
    """The fingerprint of the data set that `load` returns; reads no pixels if a copy is cached.

    Also of experiences from Python, see `nanocl.data.tensors`.

    Raises:
        DataMissing, UserError: As `load` does.
    """
    with _system_errors_named(name):
        if tensors.is_name(name):
            return tensors.fingerprint(name, data_root)
        _, places, identity = _locate(name, data_root, image_size, tokenizer, download)
        for place in places:
            facts = cache.facts(place, identity)
            if facts is not None:
                return facts["fingerprint"]
    return load(
        name, data_root, image_size=image_size, tokenizer=tokenizer, download=download
    ).fingerprint


def _locate(
    name: str,
    data_root: DataRoot,
    image_size: int,
    tokenizer: Tokenizer | None,
    download: bool,
) -> tuple[Source, tuple[Path, ...], str]:
    """The source of a data set, the places of its decoded copy, and the source's identity."""
    limits.check_image_size(image_size)
    if "\0" in name:
        raise UserError(f"no data set can have the name {name!r}")
    source = find(name, data_root)
    if source is None:
        reason = "downloading is switched off"
        if download and name in ARCHIVES:
            reason = fetch(ARCHIVES[name], roots(data_root)[0])
            source = find(name, data_root)
        if source is None:
            raise data_missing(name, data_root, reason)
    variant = str(image_size or "")
    identity = source.identity()
    if source.texts is not None:
        variant = tokenizer.identity() if tokenizer else "bytes"
        identity = f"{identity} {variant}"
    return source, cache.locations(name, data_root, variant), identity


def _decode(name: str, source: Source, image_size: int, tokenizer: Tokenizer | None) -> DataSet:
    if source.texts is not None:
        texts = source.texts()
        splits = tokenizer.tokenised(texts) if tokenizer else as_bytes(texts)
        return DataSet(**vars(splits), name=name, fingerprint=fingerprint_of(splits))
    splits = source.read(image_size)
    official = splits.official or fingerprint_of(splits) == OFFICIAL_FINGERPRINTS.get(name)
    splits = resized(splits, image_size)
    return DataSet(
        **{**vars(splits), "official": official},
        name=name,
        fingerprint=fingerprint_of(splits),
    )


@contextmanager
def _system_errors_named(name: str) -> Iterator[None]:
    """Report a file that the operating system cannot read as a `UserError` of one sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot read {error.filename or name}: {error.strerror or error}"
        ) from error
