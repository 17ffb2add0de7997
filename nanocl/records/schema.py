"""The published form of a record, and whether a record has it."""

from __future__ import annotations

import json
import sys
from functools import cache
from importlib.resources import files
from typing import Any

_LARGEST = sys.float_info.max  # 1e999 is JSON, and infinite


def schema() -> dict[str, Any]:
    """The published JSON schema of a record."""
    return json.loads(files("nanocl.records").joinpath("schema.json").read_text(encoding="utf-8"))


def check_record(record: Any) -> None:
    """Look at a whole record.

    Raises:
        ValueError: It does not fit the schema, or a number in it cannot be.
    """
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(record))
    if error is not None:
        place = "/".join(map(str, error.absolute_path)) or "record"
        raise ValueError(f"it does not fit the schema at {place}: {error.message}")
    bounds = (0.0, 1.0) if record["measure"] == "accuracy" else (-_LARGEST, _LARGEST)
    for view in (record, record["masked"] or {"initial": [], "evaluation": []}):
        for row in (view["initial"], *view["evaluation"]):
            _check_numbers(row, "a row of the evaluation matrix", *bounds)
    _check_numbers([*record["cost"].values()], "the cost", 0.0)
    for entry in record["drift"]:
        _check_drift(entry)
    if record["status"] == "ok":
        _check_complete(record)


@cache
def _validator() -> Any:
    from jsonschema import (
        Draft202012Validator,  # here, not above: `--help` of the doors answers without it
    )

    rules = schema()
    # jsonschema takes 10 us a number: the rows and layers, nearly all numbers of a record, are left
    # to _check_numbers
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
    values: Any, what: str, low: float = -_LARGEST, high: float = _LARGEST, *, count: int = 0
) -> None:
    if (
        not isinstance(values, list)
        or not {*map(type, values)} <= {int, float, type(None)}
        or (count and len(values) != count)
    ):
        raise ValueError(
            f"it does not fit the schema: {what} must be {count or 'a list of'} numbers, got {values!r}"
        )
    known = [value for value in values if value is not None]
    if known and not (low <= min(known) and max(known) <= high):
        right = (
            f"from {low:g} to {high:g}"
            if high < _LARGEST
            else "finite" + (" and not negative" if low == 0 else "")
        )
        raise ValueError(f"it does not fit the schema: {what} must be {right}, got {values!r}")


def _check_complete(record: dict[str, Any]) -> None:
    """Whether a finished run has every number; its task-incremental view may leave out experiences not met yet."""
    count = len(record["initial"])
    masked = record["masked"] or record
    met = (
        [row[: i + 1] for i, row in enumerate(masked["evaluation"])]
        if record["masked"]
        else record["evaluation"]
    )
    for view, known in ((record, [record["initial"], *record["evaluation"]]), (masked, met)):
        rows = [view["initial"], *view["evaluation"]]
        if (
            len(rows) != count + 1
            or any(len(row) != count for row in rows)
            or any(None in row for row in known)
        ):
            raise ValueError(
                f"its status is ok, but its evaluation matrix is not {count} rows of {count} numbers"
            )
