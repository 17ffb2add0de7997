"""Where a data set may lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from nanocl.data import digits, folder, idx
from nanocl.data.archives import ARCHIVES
from nanocl.data.cifar import LAYOUTS, read_cifar
from nanocl.data.dataset import Splits
from nanocl.data.flowers import IDS, LABELS, TAR, read_flowers
from nanocl.records import UserError, hash_of

KNOWN = ("digits", *ARCHIVES)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IDX_CLASSES = {
    "mnist": tuple(str(digit) for digit in range(10)),
    "fashion-mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}


@dataclass(frozen=True)
class Source:
    """Files that hold a data set.

    Attributes:
        read: Decodes them, given the image size.
        paths: Files and folders read; their names, sizes and times tell whether a decoded copy is
            still true.
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
    if not name or name != Path(name).name or name.startswith(".") or "\\" in name:
        raise UserError(
            f"a data set is named like a folder in the data root, without path separators, got {name!r}"
        )
    if name == "digits":
        return Source(
            lambda image_size: digits.read_digits(),
            release=f"scikit-learn {version('scikit-learn')}",
        )
    candidates = (_official(name, place) for place in official_places(name, root))
    return next((source for source in candidates if source), None) or _images(name, root)


def official_places(name: str, root: Path) -> list[Path]:
    """Folders searched for the official files, in order: torchvision's, the same inside `root/name`, `root/name`."""
    if name not in ARCHIVES:
        return []
    folders = [base / ARCHIVES[name].folder for base in (root, root / name)]
    return list(
        dict.fromkeys([*folders, root / name, *([DEBIAN] if name == "fashion-mnist" else [])])
    )


def _official(name: str, place: Path) -> Source | None:
    if name in IDX_CLASSES:
        return _idx(place, IDX_CLASSES[name])
    if name in LAYOUTS:
        return _cifar(name, place)
    images = next((path for path in (place / TAR, place / "jpg") if path.exists()), None)
    paths = (place / LABELS, place / IDS)
    if images is None or not all(path.is_file() for path in paths):
        return None
    return Source(partial(read_flowers, place), (*paths, images))


def _idx(place: Path, classes: tuple[str, ...]) -> Source | None:
    found = [
        next((p for p in (place / file, place / f"{file}.gz") if p.is_file()), None)
        for file in idx.FILES
    ]
    paths = tuple(path for path in found if path)
    return (
        Source(lambda image_size: idx.read_idx(paths, classes), paths)
        if len(paths) == len(found)
        else None
    )


def _cifar(name: str, place: Path) -> Source | None:
    layout = LAYOUTS[name]
    unpacked, archive = place / layout.folder, place / layout.archive
    paths = tuple(unpacked / file for file in layout.files)
    if all(path.is_file() for path in paths):
        return Source(lambda image_size: read_cifar(unpacked, layout), paths)
    return (
        Source(lambda image_size: read_cifar(archive, layout), (archive,))
        if archive.is_file()
        else None
    )


def _images(name: str, root: Path) -> Source | None:
    directory, archive = root / name, root / f"{name}.zip"
    if directory.is_dir() and (
        name not in KNOWN or any((directory / split).is_dir() for split in folder.SPLITS)
    ):
        return Source(partial(folder.read_folder, directory), (directory,))
    return Source(partial(folder.read_zip, archive), (archive,)) if archive.is_file() else None


def _facts(path: Path) -> Iterator[tuple[str, int, int]]:
    for file in folder.walk(path) if path.is_dir() else [path]:
        status = file.stat()
        yield file.relative_to(path.parent).as_posix(), status.st_size, status.st_mtime_ns
