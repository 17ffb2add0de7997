"""The published form of a record, and the check that a record has it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from nanocl.records import consistency

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator


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
    _refuse_misfit(probe, _probe_validator())
    consistency.check_values(probe)
    for part in ("looks", "changes"):
        layers = {tuple(sorted(entry["layers"])) for entry in probe[part]}
        if len(layers) > 1:
            raise ValueError(f"its {part} are not all of the same layers")


def check_training(record: Any) -> None:
    """Check the record of somebody's own trainings, see `nanocl.records.trainings`.

    Raises:
        ValueError: It does not fit its schema, or contains an impossible number or text.
    """
    _refuse_misfit(record, _training_validator())
    consistency.check_values(record)


def check_record(record: Any) -> None:
    """Check a whole record.

    Raises:
        ValueError: It does not fit the schema, or contradicts itself (see
            `nanocl.records.consistency`).
    """
    _refuse_misfit(record, _record_validator())
    consistency.check(record)


def _refuse_misfit(value: Any, validator: Draft202012Validator) -> None:
    try:
        validator.validate(value)
    except ValueError as error:  # also of a text that is not Unicode
        consistency.check_values(value)  # infinity and half a character have a message of their own
        place = "/".join(map(str, getattr(error, "instance_path", ()))) or "record"
        reason = getattr(error, "message", error)
        raise ValueError(f"it does not fit the schema at {place}: {reason}") from error


def _validator(rules: dict[str, Any]) -> Draft202012Validator:
    from jsonschema_rs import Draft202012Validator  # here, because `--help` must not wait for it

    return Draft202012Validator(rules)


@cache
def _record_validator() -> Draft202012Validator:
    rules = schema()
    # rows and layers are left to nanocl.records.consistency, which says more about them
    rules["$defs"]["row"] = rules["$defs"]["fractions"] = {}
    rules["$defs"]["drift"]["properties"]["layers"] = {"type": "object"}
    return _validator(rules)


@cache
def _probe_validator() -> Draft202012Validator:
    rules = _read("probe.json")
    rules["$defs"] |= {name: rule for name, rule in schema()["$defs"].items() if name != "layer"}
    return _validator(rules)


@cache
def _training_validator() -> Draft202012Validator:
    rules = _read("trainings.json")
    rules["$defs"] = schema()["$defs"] | rules["$defs"]
    return _validator(rules)
