"""Records on disk, one JSON file for each run, append-only.

A record is `<results_root>/runs/<protocol>/<strategy>/s<seed>-<digest>.json`. Only the parent
process writes. A record that cannot be trusted is named and skipped, never a crash.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanocl.records import SCHEMA, RunResult, RunSpec, UserError, files, plain
from nanocl.records.encoding import OLDER_SCHEMAS, from_sealed, to_record, to_text
from nanocl.records.measuring import Measuring
from nanocl.records.schema import check_record

DEFAULT_ROOT = Path("results")  # the results folder of a command that names none


class OtherFormat(UserError):
    """The record has the format of another version of nanocl; it is never replaced."""


@dataclass(frozen=True)
class Problem:
    """A record that was skipped, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return plain.printable(f"{self.path}: {self.reason}")


def path_of(spec: RunSpec, results_root: Path) -> Path:
    """The path of the record of a run."""
    folders = (_safe(spec.protocol), _safe(spec.strategy_name))
    return Path(results_root, "runs", *folders, f"s{spec.seed}-{spec.digest}.json")


def save(result: RunResult, results_root: Path) -> Path:
    """Write one record atomically.

    Raises:
        UserError: The folder cannot be written.
        ValueError: The result does not fit the published schema.
    """
    record = to_record(result)
    check_record(record)
    try:
        return files.write(path_of(result.spec, results_root), to_text(record))
    except OSError as error:
        raise unwritable(results_root, error) from error


def load_all(results_root: Path) -> tuple[list[RunResult], list[Problem]]:
    """All records of a results folder in the order of their paths, and those that were skipped."""
    return load_folder(Path(results_root) / "runs", results_root)


def load_folder(folder: Path, results_root: Path) -> tuple[list[RunResult], list[Problem]]:
    """As `load_all`, for a folder within the results folder."""
    results = []
    problems = []
    for path in sorted(folder.glob("**/*.json")):
        try:
            results.append(load(path, results_root))
        except (ValueError, OSError) as error:
            problems.append(Problem(path, one_line(error)))
    return results, problems


def load(path: Path, results_root: Path) -> RunResult:
    """Read one record and verify it.

    Raises:
        OtherFormat: It was written by an older or newer version of nanocl.
        ValueError: It is not JSON, does not fit the schema, was edited, or is in the wrong place.
    """
    result = verified(plain.read(path))
    right_path = path_of(result.spec, results_root)
    if right_path != path and right_path.absolute() != Path(path).absolute():
        raise ValueError(f"it is misplaced: its spec belongs at {right_path}")
    return result


def verified(record: Any) -> RunResult:
    """The result of a record that is not in a results folder, checked as in `load`.

    Raises:
        OtherFormat: It was written by an older or newer version of nanocl.
        ValueError: It does not fit the schema, or was edited.
    """
    _check_format(record)
    check_record(record)
    result = from_sealed(record)
    if result is None:
        raise ValueError("its content does not match its checksum: it was edited or damaged")
    if result.spec.digest != record["digest"]:
        raise ValueError(
            f"its digest is {record['digest']}, but its spec hashes to {result.spec.digest}"
        )
    return result


def find(spec: RunSpec, results_root: Path) -> RunResult | None:
    """The stored result of a run, or None if there is no readable record.

    Raises:
        OtherFormat: The record was written by an older or newer version of nanocl.
    """
    path = path_of(spec, results_root)
    try:
        return load(path, results_root)
    except OtherFormat as error:
        raise OtherFormat(f"{path}: {error}") from error
    except (ValueError, OSError):
        return None


def missing(
    specs: Iterable[RunSpec], results_root: Path, measuring: Measuring | None = None
) -> list[RunSpec]:
    """Runs without a readable record; a damaged record (see `damaged`) counts as none.

    Args:
        specs: The runs.
        results_root: Folder of the results.
        measuring: What a record must have measured; None asks for no particular tests.

    Raises:
        OtherFormat: A record was written by an older or newer version of nanocl.
    """
    found = ((spec, find(spec, results_root)) for spec in specs)
    return [
        spec
        for spec, result in found
        if result is None or not (measuring is None or measuring.is_in(result))
    ]


def damaged(specs: Iterable[RunSpec], results_root: Path) -> list[Problem]:
    """Runs whose record exists but cannot be read, and why: a new run would replace it."""
    problems = []
    for path in (path_of(spec, results_root) for spec in specs):
        try:
            if path.exists():
                load(path, results_root)
        except (ValueError, OSError) as error:
            problems.append(Problem(path, one_line(error)))
    return problems


def check_writable(results_root: Path) -> None:
    """Make the results folder and try to write there, before hours of training.

    Raises:
        UserError: It cannot be written.
    """
    folder = Path(results_root) / "runs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-"):
            pass
    except OSError as error:
        raise unwritable(results_root, error) from error


def unwritable(results_root: Path, error: OSError) -> UserError:
    """The error for a results folder that cannot be written."""
    return UserError(
        f"cannot write results into {str(results_root)!r} ({error.strerror}); "
        "choose a writable folder with --results"
    )


def one_line(error: Exception) -> str:
    """The error's message on one line of at most 200 characters."""
    text = plain.printable(" ".join(str(error).split()))
    if len(text) <= 200:
        return text
    return text[:197] + "..."


def _check_format(record: Any) -> None:
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema in OLDER_SCHEMAS:
        raise OtherFormat(
            f"it has the older format {schema}; python -m nanocl.report migrate converts all "
            "records of a results folder"
        )
    newer = isinstance(schema, str) and re.fullmatch(r"nanocl-result/\d+", schema)
    if newer and schema != SCHEMA:
        raise OtherFormat(f"it has the newer format {schema}; it needs a newer nanocl")


def _safe(name: str) -> str:
    return re.sub(r"^\.|[^\w.+-]", "_", name)
