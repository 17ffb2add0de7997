"""The records on disk: `<root>/runs/<benchmark>/<strategy>/s<seed>-<digest>.json`, one file a run, append-only.

Only the parent process writes. A record that cannot be trusted is named and skipped, never a crash.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nanocl.records import SCHEMA, Cost, Drift, Environment, RunResult, RunSpec, UserError, files
from nanocl.records.schema import check_record

SIZE_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Problem:
    """A record that was skipped, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def path_of(spec: RunSpec, root: Path) -> Path:
    """Where the record of a run lies."""
    return (
        Path(root)
        / "runs"
        / _safe(spec.benchmark)
        / _safe(spec.strategy_name)
        / f"s{spec.seed}-{spec.digest}.json"
    )


def save(result: RunResult, root: Path) -> Path:
    """Write one record atomically; floats keep every bit, values that are not finite become null.

    Raises:
        UserError: The folder cannot be written.
        ValueError: The result does not fit the published schema.
    """
    path, text = path_of(result.spec, root), _text(to_record(result))
    check_record(json.loads(text))
    try:
        files.write(path, text)
    except OSError as error:
        raise _unwritable(root, error) from error
    return path


def load_all(root: Path) -> tuple[list[RunResult], list[Problem]]:
    """All records under a results folder in the order of their paths, and those that had to be skipped."""
    results, problems = [], []
    for path in sorted((Path(root) / "runs").glob("**/*.json")):
        try:
            results.append(load(path, root))
        except (ValueError, OSError, RecursionError) as error:
            problems.append(Problem(path, _one_line(error)))
    return results, problems


def load(path: Path, root: Path) -> RunResult:
    """Read one record.

    Raises:
        ValueError: It is not JSON, does not fit the schema, was edited, or lies in the wrong place.
    """
    record = _parse(Path(path).read_text(encoding="utf-8"))
    check_record(record)
    result = from_record(record)
    if result.spec.digest != record["digest"]:
        raise ValueError(
            f"its digest is {record['digest']}, but its spec hashes to {result.spec.digest}: one of them "
            "was edited"
        )
    if path_of(result.spec, root).absolute() != Path(path).absolute():
        raise ValueError(f"it is misplaced: its spec belongs at {path_of(result.spec, root)}")
    return result


def find(spec: RunSpec, root: Path) -> RunResult | None:
    """The stored result of a run, or None where there is none that can be read."""
    try:
        return load(path_of(spec, root), root)
    except (ValueError, OSError, RecursionError):
        return None


def missing(specs: Iterable[RunSpec], root: Path) -> list[RunSpec]:
    """The runs that are not measured yet; one whose record is corrupted (see `damaged`) counts as not measured."""
    return [spec for spec in specs if find(spec, root) is None]


def damaged(specs: Iterable[RunSpec], root: Path) -> list[Problem]:
    """The runs that have a record that cannot be read, and why: a new run would replace it."""
    found = []
    for path in (path_of(spec, root) for spec in specs):
        try:
            if path.exists():
                load(path, root)
        except (ValueError, OSError, RecursionError) as error:
            found.append(Problem(path, _one_line(error)))
    return found


def check_writable(root: Path) -> None:
    """Make the results folder and try to write there, before hours of training.

    Raises:
        UserError: It cannot be written.
    """
    try:
        (Path(root) / "runs").mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=Path(root) / "runs", prefix=".writable-"):
            pass
    except OSError as error:
        raise _unwritable(root, error) from error


def to_record(result: RunResult) -> dict[str, Any]:
    """The JSON value of a result."""
    values = _finite(asdict(result))
    for entry in values["drift"]:
        entry["layers"] = {
            name: [_rounded(v) for v in pair] for name, pair in entry["layers"].items()
        }
    return {"schema": SCHEMA, "digest": result.spec.digest, **values}


def from_record(record: dict[str, Any]) -> RunResult:
    """Inverse of `to_record`, for a record that fits the schema."""
    values = _tuples(
        {name: value for name, value in record.items() if name not in ("schema", "digest")}
    )
    return RunResult(
        **{
            **values,
            "spec": RunSpec.from_dict(values["spec"]),
            "drift": tuple(Drift(**entry) for entry in values["drift"]),
            "cost": Cost(**values["cost"]),
            "environment": Environment(**values["environment"]),
        }
    )


def _parse(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}, which is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from error


def _text(record: dict[str, Any]) -> str:
    """One line for each top-level key; the layers of earlier experiences are left out of a record that is too large."""
    for keep_layers in (True, False):
        if not keep_layers:
            record = {**record, "drift": _thinned(record["drift"])}
        lines = (
            f"{json.dumps(name)}: {json.dumps(value, allow_nan=False, separators=(',', ':'))}"
            for name, value in record.items()
        )
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        if len(text.encode()) < SIZE_LIMIT:
            break
    return text


def _thinned(drift: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*({**entry, "layers": {}} for entry in drift[:-1]), *drift[-1:]]


def _unwritable(root: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write results into {str(root)!r} ({error.strerror}); "
        "name a folder that can be written with --results"
    )


def _safe(name: str) -> str:
    return re.sub(r"^\.|[^\w.+-]", "_", name)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."
