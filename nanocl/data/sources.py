"""Finds the files of a data set on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from nanocl.data import digits, folder, idx, splitting
from nanocl.data.archives import ARCHIVES
from nanocl.data.cifar import LAYOUTS, read_cifar
from nanocl.data.dataset import Splits
from nanocl.data.flowers import IDS, LABELS, TAR, read_flowers
from nanocl.data.text import Texts, collected, file_to_split, files_in, read_text, read_unsplit
from nanocl.records import UserError, hash_of
from nanocl.records.roots import DataRoot, roots

STANDARD = ("digits", *ARCHIVES)
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
        read: Decodes them; its argument is the image size.
        texts: Reads them if they hold texts, else None; `read` is not called then.
        paths: Files and folders read; a cached copy is valid while their names, sizes and times
            stay the same.
        release: Identity of a source that is not a file.
    """

    read: Callable[..., Splits]
    paths: tuple[Path, ...] = ()
    release: str = ""
    texts: Callable[[], Texts] | None = None

    def identity(self) -> str:
        """A hash that changes when a file of the source changes."""
        facts = [fact for path in self.paths for fact in _facts(path)]
        return hash_of([self.release, facts], 32)


def find(name: str, data_root: DataRoot) -> Source | None:
    """The first source of the data set that exists; None if none does.

    Data roots are searched in order. In each, official files come first, then an image folder of
    its name, then a zip of one, then texts.

    Raises:
        UserError: The name is empty, hidden or a path.
    """
    files, split = splitting.parsed(name)
    if not files or name != Path(name).name or name.startswith(".") or "\\" in name:
        raise UserError(
            "a data set is named like a folder in the data root, without path separators, "
            f"got {name!r}"
        )
    if name == "digits":
        return Source(
            lambda image_size: digits.read_digits(),
            release=f"scikit-learn {version('scikit-learn')}",
        )
    if split is not None and files in STANDARD:
        raise UserError(f"{files} has test data: leave out what follows the colon, got {name!r}")
    candidates = (
        _to_split(files, split, folder) if split else _below(name, folder)
        for folder in roots(data_root)
    )
    return next((source for source in candidates if source), None)


def _to_split(name: str, split: splitting.Request, folder: Path) -> Source | None:
    """An image folder, a zip of one, or one file of texts, without test data."""
    text = file_to_split(name, folder)
    if text is not None:
        source = Source(_no_images, (text,), texts=partial(read_unsplit, text, split))
    else:
        images = _images(name, folder)
        if images is None:
            return None
        source = replace(images, read=partial(images.read, split=split))
    return replace(source, release=repr(split))


def _below(name: str, folder: Path) -> Source | None:
    candidates = (_official(name, place) for place in official_places(name, folder))
    official = next((source for source in candidates if source), None)
    return official or _of_user(name, folder)


def official_places(name: str, data_root: Path) -> list[Path]:
    """Folders searched for the official files, in order.

    torchvision's folder in the data root, the same folder in `data_root/name`, `data_root/name`
    itself, and for Fashion-MNIST the folder of Debian's package.
    """
    if name not in ARCHIVES:
        return []
    own = data_root / name
    folders = [base / ARCHIVES[name].folder for base in (data_root, own)]
    debian = [DEBIAN] if name == "fashion-mnist" else []
    return list(dict.fromkeys([*folders, own, *debian]))


def _official(name: str, place: Path) -> Source | None:
    """The official files in a folder; None if they are incomplete."""
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
    candidates = [_plain_or_gzipped(place / file) for file in idx.FILES]
    paths = tuple(path for path in candidates if path)
    if len(paths) < len(idx.FILES):
        return None
    return Source(lambda image_size: idx.read_idx(paths, classes), paths)


def _plain_or_gzipped(path: Path) -> Path | None:
    gzipped = path.with_name(f"{path.name}.gz")
    return next((file for file in (path, gzipped) if file.is_file()), None)


def _cifar(name: str, place: Path) -> Source | None:
    layout = LAYOUTS[name]
    unpacked = place / layout.folder
    archive = place / layout.archive
    paths = tuple(unpacked / file for file in layout.files)
    if all(path.is_file() for path in paths):
        return Source(lambda image_size: read_cifar(unpacked, layout), paths)
    if archive.is_file():
        return Source(lambda image_size: read_cifar(archive, layout), (archive,))
    return None


def _of_user(name: str, data_root: Path) -> Source | None:
    """An image folder, a zip of one, or texts; a folder with `train/` or `test/` holds images."""
    directory = data_root / name
    has_split = any((directory / split).is_dir() for split in folder.SPLITS)
    texts = () if has_split else files_in(directory)
    images = None if texts else _images(name, data_root)
    if images:
        return images
    texts = texts or collected(name, data_root)
    return Source(_no_images, texts, texts=partial(read_text, texts)) if texts else None


def _no_images(image_size: int) -> Splits:
    raise ValueError(f"texts have no images, got image_size={image_size}")


def _images(name: str, data_root: Path) -> Source | None:
    """An image folder or a zip of one."""
    directory = data_root / name
    archive = data_root / f"{name}.zip"
    has_split = any((directory / split).is_dir() for split in folder.SPLITS)
    # the folder of a standard data set may hold official files instead of images
    if directory.is_dir() and (name not in STANDARD or has_split):
        return Source(partial(folder.read_folder, directory), (directory,))
    if archive.is_file():
        return Source(partial(folder.read_zip, archive), (archive,))
    return None


def _facts(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """Name, size and times of a file, or of all files in a folder.

    The time of modification can be set; that of the last change of content or name cannot.
    """
    for file in folder.walk(path) if path.is_dir() else [path]:
        status = file.stat()
        name = file.relative_to(path.parent).as_posix()
        yield name, status.st_size, status.st_mtime_ns, status.st_ctime_ns
