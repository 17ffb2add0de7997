"""Data sets for machines that do not share a file system: their files, and a folder made of them.

The files go to the place where any data root may have them, so that nothing else has to know.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from nanocl.data import default_root, find_file, folder, tensors
from nanocl.data.cache import user_folder
from nanocl.data.sources import find
from nanocl.records import hash_of

Contents = Mapping[str, bytes]


def files_of(name: str, data_root: Path | None) -> dict[str, Path]:
    """The files of a data set by their paths in a data root; none for one that needs no files."""
    root = _root(data_root)
    if tensors.is_name(name):
        path = tensors.find(name, root)
        return {f".nanocl/{path.name}": path} if path else {}
    source = find(name, root)
    files = {}
    for path in source.paths if source else ():
        for file in folder.walk(path) if path.is_dir() else [path]:
            files[_relative(file, root) or f"{name}/{file.name}"] = file
    return files


def weights_of(name: str, data_root: Path | None) -> dict[str, Path]:
    """The file of weights with that name by its path in a data root; none if it is elsewhere."""
    path = find_file(name, data_root) if name else None
    relative = _relative(path, _root(data_root)) if path else ""
    return {relative: path} if path and relative else {}


def key_of(contents: Contents) -> str:
    """A hash of files and their paths; empty for none."""
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    return hash_of(hashes, 16) if hashes else ""


def place(key: str, fetch: Callable[[], Contents]) -> Path:
    """A data root on this machine with these files, in the user's cache folder.

    It is made once: later calls, also of other processes, find it and fetch nothing.

    Args:
        key: The hash of the files.
        fetch: Returns them.

    Raises:
        ValueError: What was fetched does not have the hash.
        OSError: The folder cannot be written.
    """
    placed = user_folder() / "placed" / key
    placed.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{placed}.lock"):
        if not placed.is_dir():
            _write(fetch(), key, placed)
    return placed


def _write(contents: Contents, key: str, placed: Path) -> None:
    found = key_of(contents)
    if found != key:
        raise ValueError(f"the files that arrived have the hash {found}, expected {key}")
    part = placed.with_name(f".{placed.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that died
    for path, content in contents.items():
        file = part / path
        if not file.resolve().is_relative_to(part.resolve()):
            raise ValueError(f"a data root has no file {path!r}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    os.replace(part, placed)


def _root(data_root: Path | None) -> Path:
    return default_root() if data_root is None else Path(data_root).expanduser()


def _relative(path: Path, root: Path) -> str:
    """The path of a file in the data root; empty if it is elsewhere."""
    path, root = path.absolute(), root.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
