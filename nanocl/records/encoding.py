"""A result as the JSON value of a record, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nanocl.records import (
    LATER_FIELDS,
    SCHEMA,
    Cost,
    Drift,
    Environment,
    RunResult,
    RunSpec,
    Training,
    hash_of,
    plain,
)

_NESTED = (dict, list)
OLDER_SCHEMAS = ("nanocl-result/1",)
# parts of a record that are no field of a result, or are built from their own class
_OWN_FORM = ("schema", "digest", "checksum", "spec", "drift", "cost", "environment")
_FINGERPRINT = "fingerprint"  # of a result that `from_sealed` made


def to_record(result: RunResult) -> dict[str, Any]:
    """The JSON value of a result, its checksum included.

    Floats keep every bit, values that are not finite become null. A record that would be too large
    keeps the drift by layer of the last experience only.
    """
    values = plain.finite(result)
    # what came later and has its default is left out: older records keep their bytes
    values["spec"]["training"] = result.spec.training.identity()
    for part in (values, values["cost"]):
        for name, default in LATER_FIELDS.items():
            if part.get(name) == default:
                del part[name]
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
    values = {name: value for name, value in record.items() if name not in _OWN_FORM}
    return RunResult(
        **_tuples(values),
        spec=RunSpec.from_dict(record["spec"]),
        drift=tuple(map(_drift, record["drift"])),
        cost=Cost(**record["cost"]),
        environment=Environment(**record["environment"]),
    )


def _drift(entry: Mapping[str, Any]) -> Drift:
    layers = entry["layers"]
    # these pairs are most of a record
    pairs = dict(zip(layers, map(tuple, layers.values()), strict=True))
    return Drift(**{**entry, "deciles": tuple(entry["deciles"]), "layers": pairs})


def from_sealed(record: Mapping[str, Any]) -> RunResult | None:
    """As `from_record`; None if the content is not what the checksum was computed from."""
    # writing the drift, which is most of a record, takes longer than all else: it is done once,
    # with marks for separators, for both hashes
    drift = _MARKED.encode(record["drift"])
    content = {name: value for name, value in record.items() if name != "checksum"}
    text = _marked(content, drift).replace(_COMMA, ",").replace(_COLON, ":")
    if hashlib.sha256(text.encode()).hexdigest() != record["checksum"]:
        return None
    result = from_record(record)
    vars(result)[_FINGERPRINT] = _fingerprint(result, drift)
    return result


def fingerprint(result: RunResult) -> str:
    """SHA-256 over the content of a result, 64 hex digits; fields without a value are left out."""
    known = vars(result).get(_FINGERPRINT)
    return known or _fingerprint(result, _MARKED.encode(result.drift))


def _fingerprint(result: RunResult, drift: str) -> str:
    text = _marked(_content(result), drift).replace(_COMMA, ", ").replace(_COLON, ": ")
    return hash_of(text, 64)


def _content(value: Any) -> dict[str, Any]:
    """The fields of a part of a result; what came later and has its default is left out."""
    if isinstance(value, Training):
        return value.identity()
    # `dataclasses.fields` takes several times as long
    content = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, RunResult | Cost):
        for name in LATER_FIELDS:
            if name in content and not content[name]:
                del content[name]
    return content


def _marked(content: Mapping[str, Any], drift: str) -> str:
    """Sorted JSON of the content of a record with marks for separators.

    Args:
        content: At least `cost`, `drift` and `evaluation`.
        drift: Its `drift` in this form.
    """
    before = {name: value for name, value in content.items() if name < "drift"}
    after = {name: value for name, value in content.items() if name > "drift"}
    parts = (_MARKED.encode(before)[:-1], f'"drift"{_COLON}{drift}', _MARKED.encode(after)[1:])
    return _COMMA.join(parts)


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


# JSON escapes control characters in texts, so these two stand for separators only
_COMMA, _COLON = "\x01", "\x02"
_MARKED = json.JSONEncoder(
    sort_keys=True,
    separators=(_COMMA, _COLON),
    allow_nan=False,
    check_circular=False,  # what was read from a file contains no circle
    default=_content,
)
