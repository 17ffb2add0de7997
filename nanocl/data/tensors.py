"""Experiences from Python as arrays: written once under their fingerprint, verified when read.

The file is `.nanocl/tensors-<fingerprint>.safetensors` in the data root if that is writable, else
in the user's cache folder. It is no copy of other files: without it a run cannot be repeated.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nanocl.data import cache, limits
from nanocl.data.missing import DataMissing
from nanocl.records import UserError, tensors
from nanocl.records.roots import DataRoot, make_folder, places_of, user_folder

PREFIX = "tensors-"
PARTS = ("train_inputs", "train_targets", "test_inputs", "test_targets")
Found = TypeVar("Found")
_NAME = re.compile(f"{PREFIX}[0-9a-f]{{16}}")


@dataclass(frozen=True, eq=False)
class Experience:
    """What an experience trains and tests.

    Attributes:
        train_inputs, test_inputs: Shape (N, ...), float32, or int32 or int64 for tokens.
        train_targets, test_targets: Labels, shape (N,), int64, or for regression (N, k), float32.
    """

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
    if not any(_is_intact(path, name) for path in paths):
        _write(arrays, name, paths)
    return name


def find(name: str, data_root: DataRoot) -> Path | None:
    """The file of stored experiences, of which the header is checked; None without one.

    Raises:
        UserError: Every such file is damaged.
    """
    try:
        return _first(name, data_root, _checked)
    except DataMissing:
        return None


def read(name: str, data_root: DataRoot) -> list[Experience]:
    """The experiences that were stored under a name, mapped from their file.

    Raises:
        DataMissing: They are not on this machine.
        UserError: Every file of them is damaged.
    """
    return _first(name, data_root, _read)


def fingerprint(name: str, data_root: DataRoot) -> str:
    """The fingerprint of stored experiences, which their file must have.

    Raises:
        DataMissing, UserError: As `read` does.
    """
    _first(name, data_root, _checked)
    return name.removeprefix(PREFIX)


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


def _first(name: str, data_root: DataRoot, look: Callable[[Path, str], Found]) -> Found:
    """What `look` returns for the first place whose file is not damaged."""
    places = _places(name, data_root)
    problems = []
    for path in places:
        try:
            return look(path, name)
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{path} cannot be read: {error.strerror}")
        except tensors.Damaged as error:
            problems.append(f"{path} is damaged: {error}")
    if problems:
        raise UserError(f"{'; '.join(problems)}; {_AGAIN}")
    searched = " and ".join(str(place.parent) for place in places)
    raise DataMissing(f"the data {name} is not in {searched}; {_AGAIN}")


def _checked(path: Path, name: str) -> Path:
    """The path of a file whose header says that it holds these tensors."""
    with path.open("rb") as file:
        header, _ = tensors.read_header(file)
    _check_name(name, header[tensors.METADATA].get("fingerprint", "of no stream"))
    return path


def _read(path: Path, name: str) -> list[Experience]:
    with path.open("rb") as file:
        _, arrays = cache.mapped(file)
    numbers = range(len(arrays) // len(PARTS))
    # the fingerprint depends on their order, which a file does not keep
    keys = [f"{number}.{part}" for number in numbers for part in PARTS]
    if {*keys} != {*arrays}:
        raise tensors.Damaged("it has no experiences")
    _check_name(name, fingerprint_of({key: arrays[key] for key in keys}))
    values = [arrays[key] for key in keys]
    count = len(PARTS)
    return [Experience(*values[count * number :][:count]) for number in numbers]


def _check_name(name: str, found: str) -> None:
    if PREFIX + found != name:
        raise tensors.Damaged(f"it holds the tensors {found}")


def _places(name: str, data_root: DataRoot) -> tuple[Path, ...]:
    file = f"{name}.safetensors"
    return places_of(file, data_root, user_folder() / "tensors" / file)


def _is_intact(path: Path, name: str) -> bool:
    try:
        _read(path, name)
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
