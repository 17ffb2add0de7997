"""Older files of a results folder, converted once: `python -m nanocl.report migrate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanocl.records import SCHEMA, RunSpec, files, plain, probes, store
from nanocl.records.encoding import OLDER_SCHEMAS, sealed, to_text
from nanocl.records.schema import check_record

STUDY_SCHEMAS = ("nanocl-study/1", "nanocl-study/2")  # the older one and the current one
NEW_NAMES = {"benchmark": "protocol", "recipe": "options_from"}
MALFORMED = (ValueError, KeyError, TypeError, AttributeError)


def migrate(results_root: Path) -> tuple[list[Path], list[store.Problem]]:
    """Convert every record, probe and record of a study of an older format in place.

    No measured number and no digest changes.

    Returns:
        The converted files, and those that could not be converted and stay as they are.

    Raises:
        UserError: The folder cannot be written.
    """
    converted: list[Path] = []
    problems: list[store.Problem] = []
    kinds = (("runs", _record_text), ("probes", _probe_text), ("studies", _study_text))
    for folder, convert in kinds:
        for path in sorted((Path(results_root) / folder).glob("**/*.json")):
            try:
                text = convert(plain.read(path))
                if text:
                    files.write(path, text)
                    converted.append(path)
            except MALFORMED as error:
                problems.append(store.Problem(path, store.one_line(error)))
            except OSError as error:
                raise store.unwritable(results_root, error) from error
    return converted, problems


def current(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the first format in the current one.

    Raises:
        ValueError: It does not fit the schema, or its digest is not that of its spec.
    """
    new = sealed(
        {
            **record,
            "schema": SCHEMA,
            "spec": _spec(record),
        }
    )
    check_record(new)
    return new


def _record_text(record: Mapping[str, Any]) -> str:
    if record["schema"] in OLDER_SCHEMAS:
        return to_text(current(record))
    return ""


def _probe_text(probe: Mapping[str, Any]) -> str:
    if probe["schema"] != probes.OLDER_SCHEMA:
        return ""
    return probes.to_text(
        {
            **probe,
            "schema": probes.SCHEMA,
            "spec": _spec(probe),
        }
    )


def _study_text(entry: Mapping[str, Any]) -> str:
    older, current_schema = STUDY_SCHEMAS
    if entry["schema"] != older:
        return ""
    return plain.nested_lines(sealed({**entry, "schema": current_schema})) + "\n"


def _spec(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a record or probe under the new names; its digest must stay the same."""
    spec = {NEW_NAMES.get(name, name): value for name, value in entry["spec"].items()}
    spec["stream"] = _part(spec["stream"])
    spec["model"] = _part(spec["model"], is_model=True)
    spec["strategy"] = [_part(part) for part in spec["strategy"]]
    digest = RunSpec.from_dict(spec).digest
    if digest != entry["digest"]:
        raise ValueError(f"its digest is {entry['digest']}, but its spec hashes to {digest}")
    return spec


def _part(part: Mapping[str, Any], *, is_model: bool = False) -> dict[str, Any]:
    """Split `source`.

    It was the hash of a plugin file, for a model with weights the hash of that file, and for a
    pretrained model the fingerprint of its data.
    """
    options = part["options"]
    field = "plugin"
    if is_model and "pretrain" in options:
        field = "pretrained_on"
    elif is_model and options.get("weights"):
        field = "weights"
    hashes = {
        "plugin": "",
        "weights": "",
        "pretrained_on": "",
        field: part["source"],
    }
    return {
        "name": part["name"],
        "options": options,
        "version": 1,
        **hashes,
    }
