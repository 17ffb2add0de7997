"""Where a data set may lie, and what its absence is called."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from nanocl.data import digits, folder, idx
from nanocl.data.dataset import Splits
from nanocl.records import UserError, hash_of

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
DIGIT_CLASSES = tuple(str(digit) for digit in range(10))
FASHION_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                   "Ankle boot")
KNOWN = ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "flowers102")


class DataMissing(UserError):
    """A data set that is nowhere to be found; the message says where it was looked for and how to provide it."""


@dataclass(frozen=True)
class Source:
    """Files that hold a data set.

    Attributes:
        read: Decodes them, given the image size.
        paths: Files and folders read; their sizes and times tell whether a decoded copy is still true.
        release: Identity of a source that is not a file.
    """

    read: Callable[[int], Splits]
    paths: tuple[Path, ...] = ()
    release: str = ""

    def identity(self) -> str:
        """Changes when a file behind the source does."""
        return hash_of([self.release, [fact for path in self.paths for fact in _facts(path)]], 32)


def find(name: str, root: Path) -> Source | None:
    """The first source of the data set that is there: official files, then an image folder or zip of its name."""
    if not name or name != Path(name).name or name.startswith("."):
        raise UserError(f"a data set is named like a folder in the data root, without path separators, got {name!r}")
    if name == "digits":
        return Source(lambda image_size: digits.read_digits(), release=f"scikit-learn {version('scikit-learn')}")
    return _official(name, root) or _images(name, root) or _debian(name)


def _official(name: str, root: Path) -> Source | None:
    if name == "mnist":
        return _idx(root / "MNIST" / "raw", DIGIT_CLASSES)
    if name == "fashion-mnist":
        return _idx(root / "FashionMNIST" / "raw", FASHION_CLASSES)
    return None


def _debian(name: str) -> Source | None:
    return _idx(DEBIAN, FASHION_CLASSES) if name == "fashion-mnist" else None


def _idx(where: Path, classes: tuple[str, ...]) -> Source | None:
    paths = [path for path in (_plain_or_gz(where / file) for file in idx.FILES) if path]
    if len(paths) < len(idx.FILES):
        return None
    return Source(lambda image_size: idx.read_idx(paths, classes), tuple(paths))


def _plain_or_gz(path: Path) -> Path | None:
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.is_file()), None)


def _images(name: str, root: Path) -> Source | None:
    directory, archive = root / name, root / f"{name}.zip"
    if directory.is_dir() and (name not in KNOWN or any((directory / split).is_dir() for split in folder.SPLITS)):
        return Source(partial(folder.read_folder, directory), (directory,))
    if archive.is_file():
        return Source(partial(folder.read_zip, archive), (archive,))
    return None


def _facts(path: Path) -> list[tuple[str, int, int]]:
    files = [(file.relative_to(path).as_posix(), file) for file in folder.walk(path)] if path.is_dir() else []
    return [(name, file.stat().st_size, file.stat().st_mtime_ns) for name, file in files or [(path.name, path)]]


def missing(name: str, root: Path) -> DataMissing:
    """The error that says what was looked for, where, and the ways to provide it."""
    close = difflib.get_close_matches(name, KNOWN, 1)
    return DataMissing(f"no data set {name!r} in {root}{' did you mean ' + close[0] if close else ''}")
