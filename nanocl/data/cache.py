"""Decoded once: one safetensors file per data set and image size, its facts in the header."""

from __future__ import annotations

import json
import math
import mmap
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from nanocl.data.dataset import DataSet
from nanocl.records import hash_of

FORMAT = "nanocl-data/1"
ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")
DTYPES = {"U8": np.uint8, "I64": np.int64}


def user_folder() -> Path:
    """`~/.cache/nanocl`, or where XDG_CACHE_HOME says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nanocl"


def locations(name: str, root: Path, image_size: int) -> tuple[Path, Path]:
    """Where the decoded file may lie: beside the data, or in the user's cache when that is not writable."""
    size = f"-{image_size}" if image_size else ""
    elsewhere = f"{name}{size}-{hash_of(str(root.absolute()), 8)}.safetensors"
    return root / ".nanocl" / f"{name}{size}.safetensors", user_folder() / "decoded" / elsewhere


def header(path: Path, identity: str) -> dict[str, Any] | None:
    """The header of a decoded file; None if it is missing, damaged or made from another source."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = os.fstat(file.fileno()).st_size
            values = json.loads(file.read(length)) if length <= size else {}
        facts = values["__metadata__"]
        end = 8 + length + max(values[array]["data_offsets"][1] for array in ARRAYS)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if facts.get("format") != FORMAT or facts.get("source") != identity or end != size:
        return None
    return {**values, "start": 8 + length}


def read(path: Path, identity: str) -> DataSet | None:
    """The data set in a decoded file, its pixels mapped and read when touched; None as in `header`."""
    values = header(path, identity)
    if values is None:
        return None
    with path.open("rb") as file:
        # copy on write: torch wants writable memory, and other processes share the pages
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    arrays = {array: _view(mapped, values["start"], values[array]) for array in ARRAYS}
    facts = values["__metadata__"]
    return DataSet(**arrays, classes=tuple(json.loads(facts["classes"])), official=facts["official"] == "true",
                   name=facts["name"], fingerprint=facts["fingerprint"])


def write(places: tuple[Path, ...], data: DataSet, identity: str) -> Path | None:
    """Write to the first place that takes it, whole or not at all; None (and a warning) if none does."""
    for path in places:
        try:
            _write(path, data, identity)
            return path
        except OSError as error:
            reason = error
    warnings.warn(f"data set {data.name} will be decoded again next time: cannot write {places[-1]} ({reason})",
                  stacklevel=2)
    return None


def _write(path: Path, data: DataSet, identity: str) -> None:
    from safetensors.numpy import save

    facts = {"format": FORMAT, "source": identity, "name": data.name, "fingerprint": data.fingerprint,
             "official": json.dumps(data.official), "classes": json.dumps(data.classes)}
    if not path.parent.is_dir() and not os.access(path.parent.parent, os.W_OK) and path.parent.name == ".nanocl":
        raise PermissionError(f"{path.parent.parent} is not writable")
    path.parent.mkdir(parents=path.parent.name != ".nanocl", exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(save({array: np.ascontiguousarray(getattr(data, array)) for array in ARRAYS}, facts))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _view(mapped: mmap.mmap, start: int, entry: dict[str, Any]) -> np.ndarray:
    dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
    return np.frombuffer(mapped, dtype, math.prod(shape), start + entry["data_offsets"][0]).reshape(shape)
