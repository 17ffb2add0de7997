"""The published form of a record, and the check that a record has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from nanocl.records import consistency
from nanocl.records.compiled import Fits, compiled


def schema() -> dict[str, Any]:
    """The published JSON schema of a record."""
    return _read("schema.json")


def _read(name: str) -> dict[str, Any]:
    return json.loads(files("nanocl.records").joinpath(name).read_text(encoding="utf-8"))


def check_probe(probe: Any) -> None:
    """Check a whole probe.

    Raises:
        ValueError: It does not fit its schema, or contains an impossible number or text.
    """
    _refuse_misfit(probe, _probe_rules)
    consistency.check_values(probe)
    for part in ("looks", "changes"):
        layers = {tuple(sorted(entry["layers"])) for entry in probe[part]}
        if len(layers) > 1:
            raise ValueError(f"its {part} are not all of the same layers")


def check_record(record: Any) -> None:
    """Check a whole record.

    Raises:
        ValueError: It does not fit the schema, or contradicts itself (see
            `nanocl.records.consistency`).
    """
    _refuse_misfit(record, _record_rules)
    consistency.check(record)


def _refuse_misfit(value: Any, rules: Callable[[], dict[str, Any]]) -> None:
    if _fits(rules)(value):
        return
    # imported here, because it takes long and nearly always the compiled rules are enough
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(rules()).iter_errors(value))
    if error is not None:
        place = "/".join(map(str, error.absolute_path)) or "record"
        raise ValueError(f"it does not fit the schema at {place}: {error.message}")


@cache
def _fits(rules: Callable[[], dict[str, Any]]) -> Fits:
    """Whether a value surely fits; where it says no, jsonschema decides."""
    return compiled(rules())


@cache
def _record_rules() -> dict[str, Any]:
    rules = schema()
    # jsonschema takes 10 us a number: rows and layers, which hold nearly all numbers of a record,
    # are left to nanocl.records.consistency
    rules["$defs"]["row"] = rules["$defs"]["fractions"] = {}
    rules["$defs"]["drift"]["properties"]["layers"] = {"type": "object"}
    return rules


@cache
def _probe_rules() -> dict[str, Any]:
    rules = _read("probe.json")
    rules["$defs"] |= {name: rule for name, rule in schema()["$defs"].items() if name != "layer"}
    return rules
