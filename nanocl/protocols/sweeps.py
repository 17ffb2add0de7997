"""Arms and sweeps of a protocol: one composition with several settings of its options, a run for each.

An arm names a composition with options of its own. A sweep gives options of the part that brings
the optimizer several values each; all combinations are run.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

Options = dict[str, dict[str, Any]]


def composition(text: str, protocol: Mapping[str, Any]) -> str:
    """The composition behind a name: of an arm of that name, else the name itself."""
    return protocol["arm"].get(text, {}).get("strategy", text)


def points(
    text: str, leader: str, protocol: Mapping[str, Any], given: Collection[str]
) -> list[Options]:
    """Options by part, once for each point of the sweep of `text`; a single entry where nothing is swept.

    Args:
        text: A composition or an arm, as the protocol lists it.
        leader: The part of it that brings the optimizer, empty if none does.
        protocol: At its tier and scenario.
        given: Options of `leader` that the caller sets; these are not swept.
    """
    own: Options = dict(protocol["arm"].get(text, {}).get("options", {}))
    swept = {
        option: values for option, values in protocol["sweep"].items() if isinstance(values, list)
    }
    swept |= protocol["sweep"].get(text, {})
    swept = (
        {option: values for option, values in swept.items() if option not in given}
        if leader
        else {}
    )
    return [
        {**own, leader: {**own.get(leader, {}), **dict(zip(swept, values, strict=True))}}
        if swept
        else own
        for values in itertools.product(*swept.values())
    ]


def arms_rule(value: Any) -> str:
    """What an `arm` table must be, nothing if it is that."""
    fits = isinstance(value, Mapping) and all(
        isinstance(arm, Mapping)
        and isinstance(arm.get("strategy"), str)
        and set(arm) <= {"strategy", "options"}
        and isinstance(arm.get("options", {}), Mapping)
        and all(isinstance(options, Mapping) for options in arm.get("options", {}).values())
        for arm in value.values()
    )
    return (
        ""
        if fits
        else 'a table for each name, such as [arm.large] with strategy = "nanoadam" and options by part'
    )


def sweep_rule(value: Any) -> str:
    """What a `sweep` table must be, nothing if it is that."""

    def lists(table: Any) -> bool:
        return isinstance(table, Mapping) and all(
            isinstance(values, list) and values for values in table.values()
        )

    fits = isinstance(value, Mapping) and all(
        lists({key: entry}) or lists(entry) for key, entry in value.items()
    )
    return (
        ""
        if fits
        else "a table of lists, such as [sweep] with lr = [1e-3, 1e-2], or one of those for each strategy"
    )
