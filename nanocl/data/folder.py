"""Image folders `{train,test}/<class>/*.{png,jpg,jpeg,webp}`, on disk or in a zip.

Images may be in subfolders of a class folder. train/ and test/ may be inside one outer folder.
Other folders (such as a `val` split), other files and hidden files are ignored. Classes are
numbered in alphabetical order of their names, or by value if all names are numbers. Samples are in
the order of their file names, which is the original order for data sets exported as numbered files.
"""

from __future__ import annotations

import lzma
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from operator import itemgetter
from pathlib import Path, PurePosixPath

import numpy as np

from nanocl.data import limits
from nanocl.data.dataset import Splits
from nanocl.data.images import decode_all
from nanocl.data.splitting import HINT, Request
from nanocl.records import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")
SPLITS = ("train", "test")
Members = dict[str, list[tuple[str, str]]]  # class and name of each file, by split
# what zipfile raises for damaged files; a RuntimeError also for an encrypted member, and for an
# unknown version or compression
DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    IndexError,
    RuntimeError,
    ValueError,
)


def read_folder(folder: Path, image_size: int, *, split: Request | None = None) -> Splits:
    """Read the image folder `folder`, whose class folders are split if that is asked for."""
    names = [path.relative_to(folder).as_posix() for path in walk(folder)]
    return _read(
        _members(names, str(folder), split),
        lambda name: limits.read(folder / name),
        lambda name: str(folder / name),
        str(folder),
        image_size,
    )


def read_zip(archive: Path, image_size: int, *, split: Request | None = None) -> Splits:
    """Read the image folder in the zip file `archive`, as `read_folder` does."""
    try:
        with zipfile.ZipFile(archive) as opened:
            files = (name for name in opened.namelist() if not name.endswith("/"))
            return _read(
                _members(list(dict.fromkeys(files)), str(archive), split),
                _member_reader(opened, archive),
                lambda name: f"{name} in {archive}",
                str(archive),
                image_size,
            )
    except UserError:
        raise
    except DAMAGES as error:
        raise UserError(f"{archive} is not a complete zip file: {error}") from error


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names sorted by value if all of them are decimal numbers, else alphabetically."""
    names = set(names)
    if all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _member_reader(opened: zipfile.ZipFile, archive: Path) -> Callable[[str], bytes]:
    """A function that reads one file of an open zip."""
    # two threads that seek in one file object are slower than two that alternate
    lock = threading.Lock()

    def read(name: str) -> bytes:
        try:
            size = opened.getinfo(name).file_size
            limits.check_bytes(size, f"{name} in {archive}")
            with lock, opened.open(name) as member:
                # without a number, zipfile unpacks all that there is, whatever size is declared
                return member.read(size + 1)
        except UserError:
            raise
        except DAMAGES as error:
            raise UserError(f"{name} in {archive} cannot be read: {error}") from error

    return read


def _read(
    members: Members,
    read: Callable[[str], bytes],
    describe: Callable[[str], str],
    where: str,
    image_size: int,
) -> Splits:
    """Read an image folder.

    Args:
        members: Its files by split.
        read: Returns the bytes of one file.
        describe: Returns the name of one file in error messages.
        where: The folder's name in error messages.
        image_size: See `nanocl.data.load`.
    """
    classes = class_order(label for label, _ in members["train"])
    _check_classes(members, where)
    number = {label: index for index, label in enumerate(classes)}
    images = {}
    grays = []
    labels = {}
    for split in SPLITS:
        ordered = sorted(members[split], key=_file_name)
        images[split], gray = decode_all([name for _, name in ordered], read, describe, image_size)
        labels[split] = np.array([number[label] for label, _ in ordered], np.int64)
        grays.append(gray)
    if images["train"].shape[1:] != images["test"].shape[1:]:
        raise UserError(
            f"images in train/ and test/ of {where} differ in size; pass stream.image_size "
            "(e.g. --set stream.image_size=64) to resize all"
        )
    if all(grays):
        images = {split: np.ascontiguousarray(values[:, :1]) for split, values in images.items()}
    return Splits(images["train"], labels["train"], images["test"], labels["test"], classes)


def _file_name(member: tuple[str, str]) -> tuple[str, str]:
    """Sorts members by file name, then by path."""
    _, path = member
    return PurePosixPath(path).name, path


def _is_hidden(path: tuple[str, ...]) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path)


def _members(names: list[str], where: str, split: Request | None) -> Members:
    if split is None:
        return _by_split(names, where)
    everything = sorted(_by_class(names, where), key=_file_name)
    return split.divided(everything, [label for label, _ in everything], where)


def _by_class(names: list[str], where: str) -> list[tuple[str, str]]:
    """Class and file of each image of a data set without test data.

    The class folders may be inside one outer folder, and inside `train`.
    """
    parts = {name: PurePosixPath(name).parts for name in names}
    parts = {name: path for name, path in parts.items() if not _is_hidden(path)}
    parts = {name: path for name, path in parts.items() if name.lower().endswith(EXTENSIONS)}
    for _ in range(2):  # the outer folder, then `train`
        inside = _folder_of_classes(parts.values(), where)
        if inside:
            parts = {name: path[1:] for name, path in parts.items() if path[0] == inside}
    for name, path in parts.items():
        if len(path) < 2:
            raise UserError(f"{name} in {where} is in no class folder; images belong in <class>/")
    return [(path[0], name) for name, path in parts.items()]


def _folder_of_classes(paths: Collection[tuple[str, ...]], where: str) -> str:
    """The folder that has the class folders: the only one, or the split `train`; '' if they are
    not in one.

    A folder called `train` is a class if it has images of its own, as other class folders have.
    """
    tops = {path[0] for path in paths if len(path) > 1}
    with_images = {path[0] for path in paths if len(path) == 2}
    if set(SPLITS) <= tops:
        if with_images & set(SPLITS):
            raise UserError(
                f"{where} has images in train/ and test/ without class folders; if these are "
                "classes called train and test, rename them"
            )
        raise UserError(f"{where} has train/ and test/: leave out what follows the colon")
    if len(tops) == 1:
        return tops.pop()
    if "train" not in tops - with_images:
        return ""
    if with_images:
        raise UserError(
            f"{where} has folders in train/, and images in {min(with_images)}/: rename train/ if "
            "it is a class, or move the other folders away if it has the classes"
        )
    return "train"


def _by_split(names: list[str], where: str) -> Members:
    """The images of each split as (class name, path)."""
    parts = {name: PurePosixPath(name).parts for name in names}
    parts = {name: path for name, path in parts.items() if not _is_hidden(path)}
    tops = {path[0] for path in parts.values() if len(path) > 1}
    skip = 1 if len(tops) == 1 and not tops & set(SPLITS) else 0  # one outer folder
    members: Members = {split: [] for split in SPLITS}
    for name, path in parts.items():
        inner = path[skip:]
        if len(inner) < 2 or inner[0] not in SPLITS or not name.lower().endswith(EXTENSIONS):
            continue
        if len(inner) == 2:
            raise UserError(
                f"{name} in {where} is in no class folder; images belong in {inner[0]}/<class>/"
            )
        members[inner[0]].append((inner[1], name))
    return members


def _check_classes(members: Members, where: str) -> None:
    name = PurePosixPath(where).name.removesuffix(".zip")
    for split in SPLITS:
        if not members[split]:
            raise UserError(
                f"{where} has no images in {split}/; a data set has images "
                f"({', '.join(EXTENSIONS)}) in train/<class>/ and test/<class>/; "
                f"without test data, {HINT.format(name=name)}"
            )
    train, test = (set(map(itemgetter(0), members[split])) for split in SPLITS)
    for missing, split in ((test - train, "train"), (train - test, "test")):
        if missing:
            raise UserError(
                f"{where} has no images of class {min(missing)!r} in {split}/; "
                "every class needs images in train/ and test/"
            )
    if len(train) == 1:
        raise UserError(
            f"{where} has a single class, the folder {min(train)!r}, and there is nothing to tell "
            "apart; each class is a folder of its own: train/<class>/ and test/<class>/"
        )


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, in a fixed order."""
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        folders.sort()
        for name in sorted(files):
            yield Path(parent) / name


def _refuse(error: OSError) -> None:
    raise error
