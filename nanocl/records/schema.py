"""The published form of a record, and the check that a record has it."""

from __future__ import annotations

import json
import sys
from functools import cache
from importlib.resources import files
from typing import Any

_LARGEST = sys.float_info.max  # 1e999 is valid JSON and reads as infinity


def schema() -> dict[str, Any]:
    """The published JSON schema of a record."""
    return json.loads(files("nanocl.records").joinpath("schema.json").read_text(encoding="utf-8"))


def check_record(record: Any) -> None:
    """Check a whole record.

    Raises:
        ValueError: It does not fit the schema, or contains an impossible number.
    """
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(record))
    if error is not None:
        place = "/".join(map(str, error.absolute_path)) or "record"
        raise ValueError(f"it does not fit the schema at {place}: {error.message}")
    low, high = (0.0, 1.0) if record["measure"] == "accuracy" else (-_LARGEST, _LARGEST)
    for view in (record, record["masked"] or {"initial": [], "evaluation": []}):
        for row in (view["initial"], *view["evaluation"]):
            _check_numbers(row, "a row of the evaluation matrix", low, high)
    _check_numbers([*record["cost"].values()], "the cost", 0.0)
    for entry in record["drift"]:
        _check_drift(entry)
    if record["status"] == "ok":
        _check_complete(record)


@cache
def _validator() -> Any:
    # imported here, because `--help` must not wait for it
    from jsonschema import Draft202012Validator

    rules = schema()
    # jsonschema takes 10 us a number: rows and layers, which hold nearly all numbers of a record,
    # are left to _check_numbers
    rules["$defs"]["row"] = rules["$defs"]["fractions"] = {}
    rules["$defs"]["drift"]["properties"]["layers"] = {"type": "object"}
    return Draft202012Validator(rules)


def _check_drift(entry: dict[str, Any]) -> None:
    for groups in (entry["start"], entry["previous"]):
        for columns in groups.values():
            _check_numbers([*columns.values()], "the drift")
    _check_numbers(entry["deciles"], "the drift by decile")
    for name, pair in entry["layers"].items():
        _check_numbers(pair, f"the drift of layer {name}", count=2)


def _check_numbers(
    values: Any,
    label: str,
    low: float = -_LARGEST,
    high: float = _LARGEST,
    *,
    count: int = 0,
) -> None:
    """Refuse anything but a list (of `count` entries) of numbers in [low, high] and nulls."""
    is_list = isinstance(values, list) and (not count or len(values) == count)
    if not is_list or not {*map(type, values)} <= {int, float, type(None)}:
        expected = f"{label} must be {count or 'a list of'} numbers"
        raise ValueError(f"it does not fit the schema: {expected}, got {values!r}")
    numbers = [value for value in values if value is not None]
    if not numbers or (low <= min(numbers) and max(numbers) <= high):
        return
    if high < _LARGEST:
        expected = f"from {low:g} to {high:g}"
    else:
        expected = "finite and not negative" if low == 0 else "finite"
    raise ValueError(f"it does not fit the schema: {label} must be {expected}, got {values!r}")


def _check_complete(record: dict[str, Any]) -> None:
    """Refuse a finished run without all its numbers.

    Its task-incremental view may leave out experiences that were not trained yet.
    """
    count = len(record["initial"])
    masked = record["masked"]
    if not _is_complete(record, count) or (
        masked and not _is_complete(masked, count, only_trained=True)
    ):
        raise ValueError(
            f"its status is ok, but its evaluation matrix is not {count} rows of {count} numbers"
        )


def _is_complete(view: dict[str, Any], count: int, *, only_trained: bool = False) -> bool:
    rows = [view["initial"], *view["evaluation"]]
    if len(rows) != count + 1 or any(len(row) != count for row in rows):
        return False
    if only_trained:
        rows = [row[: i + 1] for i, row in enumerate(view["evaluation"])]
    return not any(None in row for row in rows)
