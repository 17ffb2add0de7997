"""A result as the JSON value of a record, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nanocl.records import (
    LATER_FIELDS,
    SCHEMA,
    Cost,
    Drift,
    Environment,
    RunResult,
    RunSpec,
    hash_of,
    plain,
)

_NESTED = (dict, list)
OLDER_SCHEMAS = ("nanocl-result/1",)


def to_record(result: RunResult) -> dict[str, Any]:
    """The JSON value of a result, its checksum included.

    Floats keep every bit, values that are not finite become null. A record that would be too large
    keeps the drift by layer of the last experience only.
    """
    values = plain.finite(asdict(result))
    # what came later and has its default is left out: older records keep their bytes
    values["spec"]["training"] = result.spec.training.identity()
    for fields in (values, values["cost"]):
        for name, default in LATER_FIELDS.items():
            if fields.get(name) == default:
                del fields[name]
    for entry in values["drift"]:
        entry["layers"] = {name: _rounded(pair) for name, pair in entry["layers"].items()}
    record = sealed(
        {
            "schema": SCHEMA,
            "digest": result.spec.digest,
            **values,
        }
    )
    if len(to_text(record).encode()) < plain.SIZE_LIMIT:
        return record
    for entry in record["drift"][:-1]:
        entry["layers"] = {}
    return sealed(record)


def from_record(record: Mapping[str, Any]) -> RunResult:
    """Inverse of `to_record`, for a record that fits the schema."""
    names = ("schema", "digest", "checksum")
    values = _tuples({name: value for name, value in record.items() if name not in names})
    return RunResult(
        **{
            **values,
            "spec": RunSpec.from_dict(values["spec"]),
            "drift": tuple(Drift(**entry) for entry in values["drift"]),
            "cost": Cost(**values["cost"]),
            "environment": Environment(**values["environment"]),
        }
    )


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the checksum of its present content."""
    content = {name: value for name, value in record.items() if name != "checksum"}
    checksum = hash_of(content, 64)
    first = {name: content.pop(name) for name in ("schema", "digest")}
    return {**first, "checksum": checksum, **content}


def is_intact(record: Mapping[str, Any]) -> bool:
    """Whether the content is what the checksum was computed from."""
    return sealed(record)["checksum"] == record["checksum"]


def to_text(record: Mapping[str, Any]) -> str:
    """JSON with one line for each top-level key."""
    return plain.lines(record) + "\n"


def _tuples(value: Any) -> Any:
    """A copy in which lists are tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        # nearly all items are numbers, which need no call
        return tuple([_tuples(item) if type(item) in _NESTED else item for item in value])
    return value


def _rounded(values: list[float | None]) -> list[float | None]:
    return [None if value is None else float(f"{value:.6g}") for value in values]
