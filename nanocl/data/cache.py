"""The cache of decoded data sets.

One safetensors file per data set and image size or tokenizer, with the facts about the data in its
header. A copy is used only if it has its checksums; a damaged one is named and made again.
"""

from __future__ import annotations

import json
import math
import mmap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nanocl.data.dataset import DataSet
from nanocl.records import hash_of, tensors
from nanocl.records.roots import DataRoot, make_folder, places_of, roots, user_folder

SCHEMA = "nanocl-data/2"
ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")
DTYPES = {"U8": np.uint8, "I32": np.int32, "I64": np.int64, "F32": np.float32}


def locations(name: str, data_root: DataRoot, variant: str) -> tuple[Path, ...]:
    """The places of a decoded copy, in order: in the data roots, in the user's cache folder.

    The last is for data roots that are not writable; its name depends on the first one's path.
    `variant` tells copies of a data set apart, such as those of each image size.
    """
    size = f"-{variant}" if variant else ""
    first = roots(data_root)[0].absolute()
    elsewhere = f"{name}{size}-{hash_of(str(first), 8)}.safetensors".replace(":", "_")
    file = f"{name}{size}.safetensors".replace(":", "_")
    return places_of(file, data_root, user_folder() / "decoded" / elsewhere)


def facts(path: Path, identity: str) -> dict[str, str] | None:
    """The facts in the header of a decoded copy.

    None if the copy is missing, damaged or made from another source.
    """
    try:
        with path.open("rb") as file:
            header, _ = tensors.read_header(file)
    except (OSError, tensors.Unsealed):
        return None
    except tensors.Damaged as error:
        _name(path, error)
        return None
    stored: dict[str, str] = header[tensors.METADATA]
    return stored if _is_of(stored, identity) else None


def read(path: Path, identity: str) -> DataSet | None:
    """The data set in a decoded copy, memory-mapped; None as in `facts`."""
    if facts(path, identity) is None:
        return None
    try:
        with path.open("rb") as file:
            stored, arrays = mapped(file)
    except (OSError, tensors.Unsealed):
        return None
    except tensors.Damaged as error:
        _name(path, error)
        return None
    if not _is_of(stored, identity):  # another process has just replaced the copy
        return None
    return DataSet(
        **arrays,
        classes=tuple(json.loads(stored["classes"])),
        official=json.loads(stored["official"]),
        name=stored["name"],
        fingerprint=stored["fingerprint"],
    )


def mapped(file: BinaryIO) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The facts and arrays of an open file, verified and memory-mapped.

    Raises:
        Damaged: They are not those that were written.
    """
    header, start = tensors.read_header(file)
    # copy on write: torch wants writable memory, and other processes share the pages
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    tensors.check(header, memoryview(memory)[start:])
    stored: dict[str, str] = header.pop(tensors.METADATA)
    return stored, {name: _view(memory, start, entry) for name, entry in header.items()}


def write(places: Sequence[Path], data: DataSet, identity: str) -> Path | None:
    """Write a copy, atomically, to the first writable place; None and a warning if none is."""
    for path in places:
        try:
            _write(path, data, identity)
            return path
        except OSError as error:
            reason = error
    warnings.warn(
        f"data set {data.name} will be decoded again next time: "
        f"cannot write {places[-1]} ({reason})",
        stacklevel=2,
    )
    return None


def _is_of(stored: dict[str, str], identity: str) -> bool:
    """Whether a copy was made by this version from this source."""
    return (stored.get("schema"), stored.get("source")) == (SCHEMA, identity)


def _name(path: Path, error: tensors.Damaged) -> None:
    warnings.warn(f"ignoring the decoded copy {path}: {error}", stacklevel=2)


def _write(path: Path, data: DataSet, identity: str) -> None:
    from safetensors.numpy import save

    header = {
        "schema": SCHEMA,
        "source": identity,
        "name": data.name,
        "fingerprint": data.fingerprint,
        "official": json.dumps(data.official),
        "classes": json.dumps(data.classes),
    }
    make_folder(path)
    arrays = {array: np.ascontiguousarray(getattr(data, array)) for array in ARRAYS}
    tensors.write(path, save(arrays, header))


def _view(mapped: mmap.mmap, start: int, entry: dict[str, Any]) -> np.ndarray:
    dtype = DTYPES[entry["dtype"]]
    shape = entry["shape"]
    return np.frombuffer(mapped, dtype, math.prod(shape), start + entry["data_offsets"][0]).reshape(
        shape
    )
