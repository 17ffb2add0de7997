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

from nanocl.data import find_file, folder, tensors
from nanocl.data.sources import find
from nanocl.records import hash_of
from nanocl.records.roots import HIDDEN, DataRoot, relative, user_folder

Contents = Mapping[str, bytes]


def files_of(name: str, data_root: DataRoot) -> dict[str, Path]:
    """The files of a data set by their paths in a data root; none for one that needs no files."""
    if tensors.is_name(name):
        path = tensors.find(name, data_root)
        return {f"{HIDDEN}/{path.name}": path} if path else {}
    source = find(name, data_root)
    files = {}
    for path in source.paths if source else ():
        for file in folder.walk(path) if path.is_dir() else [path]:
            files[relative(file, data_root) or f"{name}/{file.name}"] = file
    return files


def weights_of(name: str, data_root: DataRoot) -> dict[str, Path]:
    """The file of weights with that name by its path in a data root; none if it is elsewhere."""
    path = find_file(name, data_root) if name else None
    place = relative(path, data_root) if path else ""
    return {place: path} if path and place else {}


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
