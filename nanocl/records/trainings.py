"""Records of trainings in other people's loops; no board ranks them.

A record is `<results_root>/studies/byo/<name>-<digest>.json`. It holds a sequence of finetunings of
one model. It is rewritten at each measurement: until the last training has ended its status is
`interrupted`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanocl.records import files, hash_of, plain, store
from nanocl.records.encoding import is_intact, sealed, to_text
from nanocl.records.schema import check_training

SCHEMA = "nanocl-byo/1"
FOLDER = Path("studies", "byo")


def path_of(spec: Mapping[str, Any], results_root: Path) -> Path:
    """The path of the record of a spec."""
    name = re.sub(r"^\.|[^\w.+-]", "_", spec["name"])[:80]
    return Path(results_root) / FOLDER / f"{name}-{hash_of(plain.finite(spec))}.json"


def number(spec: dict[str, Any], results_root: Path) -> None:
    """Set `repeat` of a new training's spec if there are records of equal ones.

    The spec names kept data, but not those that were trained on: equal specs may be different
    trainings.
    """
    while path_of(spec, results_root).exists():
        spec["repeat"] = spec.get("repeat", 0) + 1


def save(record: Mapping[str, Any], results_root: Path) -> Path:
    """Write a record atomically; `record` has all fields but schema, digest and checksum.

    Numbers that are not finite become null.

    Raises:
        UserError: The folder cannot be written.
        ValueError: It does not fit the schema.
    """
    content = plain.finite(record)
    digest = hash_of(content["spec"])
    whole = sealed({"schema": SCHEMA, "digest": digest, **content})
    check_training(whole)
    try:
        return files.write(path_of(content["spec"], results_root), to_text(whole))
    except OSError as error:
        raise store.unwritable(results_root, error) from error


def load(path: Path) -> dict[str, Any]:
    """Read one record and verify it.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON, does not fit the schema, was edited, contradicts itself, or is
            in the wrong place.
    """
    record = plain.read(path)
    check_training(record)
    _check_kept(record)
    if not is_intact(record):
        raise ValueError("its content does not match its checksum: it was edited or damaged")
    right = path_of(record["spec"], Path()).name
    if record["digest"] != hash_of(record["spec"]) or right != path.name:
        raise ValueError(f"its spec belongs to the file {right}")
    return record


def _check_kept(record: Mapping[str, Any]) -> None:
    kept = set(record["spec"]["keep"])
    for training in record["trainings"]:
        for point in training["points"]:
            if set(point["keep"]) != kept:
                found = ", ".join(point["keep"]) or "none"
                raise ValueError(f"a point must have the kept tasks of its spec, got {found}")


def load_all(results_root: Path) -> tuple[list[dict[str, Any]], list[store.Problem]]:
    """All records in the order of their paths, and those that were skipped."""
    records = []
    problems = []
    for path in sorted((Path(results_root) / FOLDER).glob("*.json")):
        try:
            records.append(load(path))
        except (OSError, ValueError) as error:
            problems.append(store.Problem(path, store.one_line(error)))
    return records, problems
