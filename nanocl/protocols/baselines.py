"""Tuned options and how they were found: `baselines/<protocol>/<strategy>.toml`."""

from __future__ import annotations

import re
from typing import Any

from nanocl.protocols.protocol import folder, read
from nanocl.protocols.validation import check_baselines

# names come from records and protocol files too, and must not lead out of the folder
_FILE_NAME = re.compile(r"\w[\w.+:-]{0,199}", re.ASCII)


def baseline(
    protocol: str,
    tier: str,
    scenario: str,
    composition: str,
) -> dict[str, Any]:
    """The `[[baseline]]` of a composition for a tier and scenario, or an empty dict.

    Returns:
        `tier`, `scenario`, `how` the options were found, and `options` by part.

    Raises:
        UserError: The file contains a mistake.
    """
    for entry in _entries(protocol, composition):
        if (entry["tier"], entry["scenario"]) == (tier, scenario):
            return entry
    return {}


def tuned_options(
    protocol: str,
    tier: str,
    scenario: str,
    composition: str,
) -> dict[str, dict[str, Any]]:
    """The baseline's options by part, or an empty dict."""
    return baseline(protocol, tier, scenario, composition).get("options", {})


def _entries(protocol: str, composition: str) -> list[dict[str, Any]]:
    """The entries of a composition's file; none where such a file cannot exist."""
    if not all(map(_FILE_NAME.fullmatch, (protocol, composition))):
        return []
    path = folder("baselines") / protocol / f"{composition}.toml"
    if not path.exists():
        return []
    values = read(path)
    check_baselines(values, composition, str(path))
    return values["baseline"]
