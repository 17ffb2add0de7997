"""The folders that data sets are searched in: the data roots of a call, or the default."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nanocl.records import UserError

VARIABLE = "NANOCL_DATA_ROOT"
HIDDEN = ".nanocl"  # folder in a data root for what nanocl writes


@dataclass(frozen=True)
class Folders:
    """Several data roots, searched in order; what is written goes into the first.

    `folders / "name"` is the first path of that name that exists, else the one in the first folder,
    so that a stream of a user's may treat several folders as one.
    """

    folders: tuple[Path, ...]

    def __truediv__(self, name: str | Path) -> Path:
        paths = [folder / name for folder in self.folders]
        return next((path for path in paths if path.exists()), paths[0])


DataRoot: TypeAlias = Path | Folders | None  # None is the default: `roots(None)`


def data_root_of(named: Iterable[str | Path]) -> DataRoot:
    """What a caller names: nothing is the default, one is a path; it need not exist.

    Raises:
        UserError: One is a file.
    """
    folders = tuple(dict.fromkeys(Path(one).expanduser() for one in named))
    for folder in folders:
        if folder.is_file():
            raise UserError(
                f"the data root {str(folder)!r} is a file; name the folder that holds the data sets"
            )
    if len(folders) > 1:
        return Folders(folders)
    return folders[0] if folders else None


def in_environment() -> DataRoot:
    """NANOCL_DATA_ROOT, several separated as in PATH; None where it is not set."""
    return data_root_of(filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))


def roots(data_root: DataRoot = None) -> tuple[Path, ...]:
    """The folders to search, in order; at least one.

    The default is NANOCL_DATA_ROOT, else ./data if that folder exists, else `data` in the user's
    cache folder.
    """
    named = data_root or in_environment()
    if isinstance(named, Folders):
        return named.folders
    if named is not None:
        return (Path(named).expanduser(),)
    return (Path("data") if Path("data").is_dir() else user_folder() / "data",)


def absolute(data_root: DataRoot) -> DataRoot:
    """The same folders for a process with another working directory."""
    return data_root and data_root_of(folder.absolute() for folder in roots(data_root))


def relative(path: Path, data_root: DataRoot) -> str:
    """The path of a file in the data root that holds it; empty if none does."""
    path = path.absolute()
    for folder in roots(data_root):
        if path.is_relative_to(folder.absolute()):
            return path.relative_to(folder.absolute()).as_posix()
    return ""


def places_of(file: str, data_root: DataRoot, elsewhere: Path) -> tuple[Path, ...]:
    """Where a file of nanocl's is searched; it is written to the first place that is writable.

    Args:
        file: Its name in the folder `.nanocl` of a data root.
        data_root: The data roots.
        elsewhere: The last place, in the user's cache folder.
    """
    return (*(folder / HIDDEN / file for folder in roots(data_root)), elsewhere)


def make_folder(place: Path) -> None:
    """Make the folder of one of these places; a data root that is missing is not made.

    Raises:
        OSError: It cannot be made.
    """
    place.parent.mkdir(parents=place.parent.name != HIDDEN, exist_ok=True)


def user_folder() -> Path:
    """`$XDG_CACHE_HOME/nanocl`, or `~/.cache/nanocl` where that variable is not set."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nanocl"
