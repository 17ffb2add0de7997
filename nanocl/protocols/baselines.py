"""Tuned options and how they were found: `baselines/<protocol>/<strategy>.toml`."""

from __future__ import annotations

from typing import Any

from nanocl.protocols.protocol import folder, read


def baseline(
    protocol: str,
    tier: str,
    scenario: str,
    composition: str,
) -> dict[str, Any]:
    """The `[[baseline]]` of a composition for a tier and scenario, or an empty dict.

    Returns:
        `tier`, `scenario`, `how` the options were found, and `options` by part.
    """
    path = folder("baselines") / protocol / f"{composition}.toml"
    for entry in read(path).get("baseline", []) if path.exists() else []:
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
