"""The published form of a record, and the check that a record has it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from nanocl.records import consistency


def schema() -> dict[str, Any]:
    """The published JSON schema of a record."""
    return json.loads(files("nanocl.records").joinpath("schema.json").read_text(encoding="utf-8"))


def check_record(record: Any) -> None:
    """Check a whole record.

    Raises:
        ValueError: It does not fit the schema, or contradicts itself (see
            `nanocl.records.consistency`).
    """
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(record))
    if error is not None:
        place = "/".join(map(str, error.absolute_path)) or "record"
        raise ValueError(f"it does not fit the schema at {place}: {error.message}")
    consistency.check(record)


@cache
def _validator() -> Any:
    # imported here, because `--help` must not wait for it
    from jsonschema import Draft202012Validator

    rules = schema()
    # jsonschema takes 10 us a number: rows and layers, which hold nearly all numbers of a record,
    # are left to nanocl.records.consistency
    rules["$defs"]["row"] = rules["$defs"]["fractions"] = {}
    rules["$defs"]["drift"]["properties"]["layers"] = {"type": "object"}
    return Draft202012Validator(rules)
