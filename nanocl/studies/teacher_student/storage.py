"""The study's records: one JSON file for each setting and condition, named by its digest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from nanocl.records import Environment, files, plain
from nanocl.records.encoding import is_intact, sealed
from nanocl.records.plain import SIZE_LIMIT
from nanocl.records.store import unwritable
from nanocl.studies.teacher_student.settings import NAME, Setting, Spec

SCHEMA = "nanocl-study/2"
Record = Mapping[str, Any]


def folder(results_root: Path) -> Path:
    """Where the study keeps its records, its page and its figures."""
    return Path(results_root) / "studies" / NAME


def path_of(spec: Spec, results_root: Path) -> Path:
    """The path of a record, such as `mask-share-20-9ba81806987b.json`."""
    words = re.sub("[^a-z0-9.]+", "-", spec.words.lower()).strip("-")
    return folder(results_root) / f"{words}-{spec.digest}.json"


def save(
    spec: Spec,
    values: Mapping[str, Any],
    environment: Environment,
    results_root: Path,
) -> Path:
    """Write one record atomically; floats are rounded to 7 digits, None if they are not finite.

    Raises:
        UserError: The folder cannot be written.
        ValueError: The record is too large.
    """
    entry = {
        "schema": SCHEMA,
        "study": NAME,
        "digest": spec.digest,
        _kind(spec): asdict(spec),
        "values": plain.finite(values, _rounded),
        "environment": asdict(environment),
    }
    text = plain.nested_lines(sealed(entry)) + "\n"
    size = len(text.encode())
    if size >= SIZE_LIMIT:
        raise ValueError(
            f"a record must be smaller than {SIZE_LIMIT} bytes, got {size}; use fewer seeds"
        )
    try:
        return files.write(path_of(spec, results_root), text)
    except OSError as error:
        raise unwritable(results_root, error) from error


def find(spec: Spec, results_root: Path) -> Record | None:
    """The stored record, or None if there is none or it is damaged."""
    try:
        entry = _intact(files.read(path_of(spec, results_root), plain.READ_LIMIT))
        same_spec = entry[_kind(spec)] == plain.finite(asdict(spec))
        known = entry["schema"] == SCHEMA
        return entry if known and same_spec and entry["digest"] == spec.digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@lru_cache(maxsize=256)  # claims, page and figures of one report read the same records
def _intact(content: bytes) -> Record:
    """The JSON value of a record with this content.

    Raises:
        ValueError: It does not have its checksum, or is not JSON.
    """
    entry = plain.parse(content.decode())
    if not is_intact(entry):
        raise ValueError("its content does not have its checksum")
    return entry


def load(specs: Sequence[Spec], results_root: Path) -> list[Record]:
    """The records of those specs that are measured, in their order."""
    entries = [find(spec, results_root) for spec in specs]
    return [entry for entry in entries if entry is not None]


def _kind(spec: Spec) -> str:
    return "setting" if isinstance(spec, Setting) else "condition"


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")
