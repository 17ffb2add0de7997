"""Tuned options and how they were found: `baselines/<protocol>/<strategy>.toml`.

`:` is `=` in the name of a file (`torch=Muon.toml`), because Windows allows no colon there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from nanocl.protocols.protocol import folder, parsed, read_bytes
from nanocl.protocols.validation import check_baselines
from nanocl.records import RunSpec, UserError

# names come from records and protocol files too, and must not lead out of the folder
_FILE_NAME = re.compile(r"\w[\w.+:-]{0,199}", re.ASCII)


def of_run(spec: RunSpec) -> dict[str, Any]:
    """The `[[baseline]]` whose options a run has, or an empty dict.

    Arms of one composition have a baseline each: of several that fit, the one with most options.

    Returns:
        `tier`, `scenario`, `how` the options were found, and `options` by part.

    Raises:
        UserError: A file contains a mistake.
    """
    fitting = [entry for entry in _all_of(spec) if _fits(entry, spec)]
    return max(fitting, key=lambda entry: sum(map(len, entry["options"].values())), default={})


def tuned_options(
    protocol: str,
    tier: str,
    scenario: str,
    composition: str,
) -> dict[str, dict[str, Any]]:
    """The options by part of the `[[baseline]]` of an arm or composition, or an empty dict.

    Those in the folder `baselines` of the working directory, where `python -m nanocl.tune` writes,
    come before those of nanocl.

    Raises:
        UserError: The file contains a mistake.
    """
    return _entry_of(protocol, tier, scenario, composition).get("options", {})


def tuning_seeds(protocol: str, tier: str, scenario: str, composition: str) -> set[int]:
    """The seeds that these options were tuned on, as far as the `[[baseline]]` says.

    Raises:
        UserError: The file contains a mistake.
    """
    entry = _entry_of(protocol, tier, scenario, composition)
    return {*entry.get("tuning", {}).get("seeds", ())}


def check_protocol(spec: RunSpec) -> None:
    """Refuse tuned options that were found for another form of the protocol.

    Raises:
        UserError: With both hashes, and what to do.
    """
    found = of_run(spec).get("tuning", {}).get("protocol", spec.protocol_hash)
    if found != spec.protocol_hash:
        raise UserError(
            f"the tuned options of {spec.strategy_name} are of protocol {found}, and "
            f"{spec.protocol}, {spec.tier}, {spec.scenario} is {spec.protocol_hash} now: run "
            "python -m nanocl.tune again, or remove their [[baseline]]"
        )


def _entry_of(protocol: str, tier: str, scenario: str, composition: str) -> dict[str, Any]:
    if not all(map(_FILE_NAME.fullmatch, (protocol, composition))):
        return {}
    for folder_of_all in _folders():
        for entry in entries(path_of(folder_of_all, protocol, composition)):
            if (entry["tier"], entry["scenario"]) == (tier, scenario):
                return entry
    return {}


def _folders() -> list[Path]:
    return [Path("baselines"), folder("baselines")]


def _all_of(spec: RunSpec) -> Iterator[dict[str, Any]]:
    """Every entry for a protocol that can be of a learner, with the composition that it is for."""
    if not _FILE_NAME.fullmatch(spec.protocol):
        return
    for root in _folders():
        for path in sorted((root / spec.protocol).glob("*.toml")):
            content = read_bytes(path)
            if _learner_of(path) == spec.strategy_name or _can_hold(content, spec.strategy_name):
                for entry in _checked(content, path):
                    yield {"strategy": _learner_of(path), **entry}


def _can_hold(content: bytes, text: str) -> bool:
    """Whether a TOML file can hold a string; parsing it would take a hundred times as long."""
    # a string may have escapes, other quotes, and three of them
    marks = (f'"{text}"'.encode(), b"\\", b"'", b'"""')
    return any(mark in content for mark in marks)


def path_of(folder_of_all: Path, protocol: str, learner: str) -> Path:
    """The file of an arm or composition."""
    return folder_of_all / protocol / f"{learner.replace(':', '=')}.toml"


def _learner_of(path: Path) -> str:
    return path.stem.replace("=", ":")


def entries(path: Path) -> list[dict[str, Any]]:
    """What a file says of each tier and scenario; nothing where there is no file.

    Raises:
        UserError: It contains a mistake.
    """
    return _checked(read_bytes(path), path) if path.exists() else []


@lru_cache(maxsize=1024)  # a report asks for each file once per tuned row
def _checked(content: bytes, path: Path) -> list[dict[str, Any]]:
    """The entries of a file with this content; to be read only."""
    values = parsed(content, path)
    check_baselines(values, _learner_of(path), str(path))
    return values["baseline"]


def _fits(entry: Mapping[str, Any], spec: RunSpec) -> bool:
    """Whether a run has the options of an entry, and there are any."""
    wanted = [(part, entry["options"].get(part.name, {})) for part in spec.strategy]
    place = (entry["strategy"], entry["tier"], entry["scenario"])
    if place != (spec.strategy_name, spec.tier, spec.scenario) or not any(o for _, o in wanted):
        return False
    return all(options.items() <= dict(part.options).items() for part, options in wanted)
