"""The study's records: one JSON file for each setting and each condition, named by its digest; needs no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nanocl.records import Environment, UserError, files
from nanocl.studies.teacher_student.settings import (
    NAME,
    SCHEMA,
    Condition,
    Setting,
    condition_label,
    label,
)

SIZE_LIMIT = 64 * 1024
Record = Mapping[str, Any]


def folder(root: Path) -> Path:
    """Where the study keeps its records and what it draws from them."""
    return Path(root) / "studies" / NAME


def path_of(spec: Setting | Condition, root: Path) -> Path:
    """Where a record lies: `mask-share-20-9ba81806987b.json`."""
    words = (
        label(asdict(spec))
        if isinstance(spec, Setting)
        else f"theorem {condition_label(asdict(spec))}"
    )
    return (
        folder(root) / f"{re.sub('[^a-z0-9.]+', '-', words.lower()).strip('-')}-{spec.digest}.json"
    )


def record(
    spec: Setting | Condition, values: Mapping[str, Any], environment: Environment
) -> Record:
    """A plain value; floats are rounded to 7 digits, what is not finite is None."""
    kind = "setting" if isinstance(spec, Setting) else "condition"
    return {
        "schema": SCHEMA,
        "study": NAME,
        "digest": spec.digest,
        kind: asdict(spec),
        "values": _plain(values),
        "environment": asdict(environment),
    }


def save(spec: Setting | Condition, entry: Record, root: Path) -> Path:
    """Write one record atomically.

    Raises:
        UserError: The folder cannot be written.
        ValueError: The record is too large.
    """
    text = (
        "{\n"
        + ",\n".join(f"{json.dumps(name)}: {_text(value)}" for name, value in entry.items())
        + "\n}\n"
    )
    if len(text.encode()) >= SIZE_LIMIT:
        raise ValueError(
            f"a record must be smaller than {SIZE_LIMIT} bytes, got {len(text.encode())}; use fewer seeds"
        )
    return write(path_of(spec, root), text.encode())


def write(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all.

    Raises:
        UserError: The folder cannot be written.
    """
    try:
        files.write(path, content)
    except OSError as error:
        raise UserError(
            f"cannot write {str(path)!r} ({error.strerror}); name a folder that can be written with "
            "--results"
        ) from error
    return path


def find(spec: Setting | Condition, root: Path) -> Record | None:
    """The stored record, or None where there is none that can be trusted."""
    try:
        entry = json.loads(path_of(spec, root).read_text(encoding="utf-8"))
        kind = "setting" if isinstance(spec, Setting) else "condition"
        same = entry["digest"] == spec.digest and entry[kind] == json.loads(
            json.dumps(asdict(spec))
        )
        return entry if same and isinstance(entry["values"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(specs: Sequence[Setting | Condition], root: Path) -> list[Record]:
    """The records there are, in the order of `specs`."""
    return [entry for spec in specs if (entry := find(spec, root)) is not None]


def _text(value: Any) -> str:
    if isinstance(value, dict) and value and all(isinstance(item, dict) for item in value.values()):
        return (
            "{\n"
            + ",\n".join(f"  {json.dumps(name)}: {_text(item)}" for name, item in value.items())
            + "\n}"
        )
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        rounded = float(f"{value:.7g}")
        return rounded if rounded - rounded == 0 else None
    return value
