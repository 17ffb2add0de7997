"""Experiences from Python as arrays: written once under their fingerprint, verified when read.

The file is `.nanocl/tensors-<fingerprint>.safetensors` in the data root if that is writable, else
in the user's cache folder. It is no copy of other files: without it a run cannot be repeated.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanocl.data import cache, limits
from nanocl.data.missing import DataMissing
from nanocl.records import UserError, tensors
from nanocl.records.roots import DataRoot, make_folder, places_of, user_folder

PREFIX = "tensors-"
PARTS = ("train_inputs", "train_targets", "test_inputs", "test_targets")
_NAME = re.compile(f"{PREFIX}[0-9a-f]{{16}}")


@dataclass(frozen=True, eq=False)
class Experience:
    """Inputs (N, ...) float32; targets (N,) int64 labels, or (N, k) float32 for regression."""

    train_inputs: np.ndarray
    train_targets: np.ndarray
    test_inputs: np.ndarray
    test_targets: np.ndarray


def is_name(name: str) -> bool:
    """Whether this is the name of stored experiences."""
    return bool(_NAME.fullmatch(name))


def fingerprint_of(arrays: Mapping[str, np.ndarray]) -> str:
    """16 hex digits over every value, shape and type, and the order of samples and experiences."""
    digest = hashlib.blake2b(digest_size=8)
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def write(experiences: Sequence[Experience], data_root: DataRoot) -> str:
    """Store experiences, unless an intact file has them already; the name they can be read by.

    Raises:
        UserError: They do not fit into memory, or no place is writable.
    """
    arrays = {
        f"{number}.{part}": np.ascontiguousarray(getattr(experience, part))
        for number, experience in enumerate(experiences)
        for part in PARTS
    }
    size = sum(array.nbytes for array in arrays.values())
    limits.check_memory(2 * size, "the tensors of the stream, of which a copy is written,")
    name = PREFIX + fingerprint_of(arrays)
    paths = _places(name, data_root)
    if not any(map(_is_intact, paths)):
        _write(arrays, name, paths)
    return name


def find(name: str, data_root: DataRoot) -> Path | None:
    """The file of stored experiences; None without one."""
    return next((place for place in _places(name, data_root) if place.is_file()), None)


def read(name: str, data_root: DataRoot) -> list[Experience]:
    """The experiences that were stored under a name, mapped from their file.

    Raises:
        DataMissing: They are not on this machine.
        UserError: The file is damaged.
    """
    path = _found(name, data_root)
    try:
        with path.open("rb") as file:
            _, arrays = cache.mapped(file)
    except tensors.Damaged as error:
        raise UserError(f"{path} is damaged: {error}; {_AGAIN}") from error
    numbers = range(len(arrays) // len(PARTS))
    return [_experience(arrays, number) for number in numbers]


def fingerprint(name: str, data_root: DataRoot) -> str:
    """The fingerprint of stored experiences, which their file must have.

    Raises:
        DataMissing, UserError: As `read` does.
    """
    path = _found(name, data_root)
    try:
        with path.open("rb") as file:
            header, _ = tensors.read_header(file)
    except tensors.Damaged as error:
        raise UserError(f"{path} is damaged: {error}; {_AGAIN}") from error
    stored: str = header[tensors.METADATA].get("fingerprint", "")
    if PREFIX + stored != name:
        raise UserError(f"{path} holds the tensors {stored or 'of no stream'}; {_AGAIN}")
    return stored


def facts(name: str, experiences: Sequence[Experience]) -> dict[str, Any]:
    """The description of stored experiences in a record, as `DataSet.facts`."""
    first = experiences[0]
    described: dict[str, Any] = {
        "name": name,
        "fingerprint": name.removeprefix(PREFIX),
        "release": "other",
        "train": sum(len(one.train_targets) for one in experiences),
        "test": sum(len(one.test_targets) for one in experiences),
        "shape": [int(side) for side in first.train_inputs.shape[1:]],
    }
    if first.train_targets.ndim == 1:
        labels = np.concatenate([one.train_targets for one in experiences])
        described["classes"] = len(np.unique(labels))
    return described


_AGAIN = "pass the same tensors to nanocl.run(stream=[...]) again, which writes them anew"


def _experience(arrays: Mapping[str, np.ndarray], number: int) -> Experience:
    return Experience(*(arrays[f"{number}.{part}"] for part in PARTS))


def _places(name: str, data_root: DataRoot) -> tuple[Path, ...]:
    file = f"{name}.safetensors"
    return places_of(file, data_root, user_folder() / "tensors" / file)


def _found(name: str, data_root: DataRoot) -> Path:
    path = find(name, data_root)
    if path is None:
        searched = " and ".join(str(place.parent) for place in _places(name, data_root))
        raise DataMissing(f"the data {name} is not in {searched}; {_AGAIN}")
    return path


def _is_intact(path: Path) -> bool:
    try:
        tensors.verify(path)
    except (OSError, tensors.Damaged):
        return False
    return True


def _write(arrays: Mapping[str, np.ndarray], name: str, paths: Sequence[Path]) -> None:
    from safetensors.numpy import save

    content = save(dict(arrays), {"fingerprint": name.removeprefix(PREFIX)})
    for path in paths:
        try:
            make_folder(path)
            tensors.write(path, content)
            return
        except OSError as error:
            reason = error
    raise UserError(f"the tensors of the stream cannot be written to {paths[-1]}: {reason}")
