"""Protocol files: where they are, and what one says at a tier and scenario."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanocl.protocols.validation import RULES, check_protocol
from nanocl.records import SCENARIOS, TIERS, UserError, files, plain
from nanocl.records.ranges import did_you_mean, one_of

MOST_BYTES = 2**20  # of a protocol or baseline
DEEPEST = 8  # levels of tables; tier.cpu.for.class.options.sgd.lr has 7


@functools.cache  # the package's own files do not change while a process runs
def protocols() -> Mapping[str, Mapping[str, Any]]:
    """All protocols that come with nanocl, by name and in the order of their names."""
    checked = {}
    for path in sorted(folder("benchmarks").glob("*.toml"), key=lambda path: path.stem):
        checked[path.stem] = read(path)
        check_protocol(checked[path.stem], str(path))
    return checked


def at(protocol: Mapping[str, Any], tier: str, scenario: str = "") -> dict[str, Any]:
    """The protocol at a tier and scenario, defaults filled in."""
    one_of("tier", tier, TIERS, UserError)
    base = {
        "scenario": "class",
        "model": "mlp",
        "strategies": ["adamw"],
        "seeds": 3,
        "evaluate": "seen",
        "score": "average_accuracy",
        "training": {},
        "options": {},
        "arm": {},
        "sweep": {},
    }
    tiers = protocol.get("tier", {})
    if tiers and tier not in tiers:
        raise UserError(f"this protocol has no tier {tier!r}{did_you_mean(tier, tiers)}")
    chosen = tiers.get(tier, {})
    merged = _merge(_merge(base, _only(protocol)), _only(chosen))
    merged["scenario"] = one_of("scenario", scenario or merged["scenario"], SCENARIOS, UserError)
    for source in (protocol, chosen):
        special = source.get("for", {}).get(merged["scenario"], {})
        merged = _merge(merged, special)
    return merged


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UserError: It cannot be read, or is not TOML.
    """
    return parsed(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The content of a TOML file.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return files.read(path, MOST_BYTES)
    except (OSError, files.Refused) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read: {reason}") from error


def parsed(content: bytes, path: Path) -> dict[str, Any]:
    """The tables of a TOML text; `path` is named in errors.

    Raises:
        UserError: It is not TOML.
    """
    try:
        values = tomllib.loads(content.decode())
    except RecursionError as error:
        raise UserError(f"{path} is not valid TOML: it is nested too deeply") from error
    except ValueError as error:  # TOML's errors, bytes that are not UTF-8, numbers of 5000 digits
        raise UserError(f"{path} is not valid TOML: {error}") from error
    _check_depth(values, path)
    return values


def _check_depth(values: Any, path: Path) -> None:
    if plain.is_deeper(values, DEEPEST):
        raise UserError(f"{path} is not a protocol: it is nested deeper than {DEEPEST} levels")


def _only(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key in RULES}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def folder(name: str) -> Path:
    """The folder `benchmarks` or `baselines`, installed or in the repository."""
    package = Path(__file__).parent.parent
    installed = package / name
    if installed.is_dir():
        return installed
    return package.parent / name
