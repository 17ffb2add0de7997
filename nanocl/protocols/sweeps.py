"""Arms and sweeps of a protocol: one composition with several settings of its options.

An arm names a composition with options of its own. A sweep gives options of the part that brings
the optimizer several values each, or with a name such as `ewc.strength` those of another part; all
combinations are run.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from nanocl.records import UserError
from nanocl.records.ranges import did_you_mean

Options = dict[str, dict[str, Any]]


def composition(text: str, protocol: Mapping[str, Any]) -> str:
    """The composition behind a name: that of the arm of this name, else the name itself."""
    return protocol["arm"].get(text, {}).get("strategy", text)


def points(
    text: str,
    names: Sequence[str],
    leader: str,
    protocol: Mapping[str, Any],
    fixed: Mapping[str, Collection[str]],
    by_hand: Mapping[tuple[str, str], Sequence[Any]] = MappingProxyType({}),
) -> list[Options]:
    """Options by part for each point of a sweep; a single entry without a sweep.

    Args:
        text: A composition or an arm, as the protocol lists it.
        names: Its parts.
        leader: The part that brings the optimizer, empty if none does.
        protocol: At its tier and scenario.
        fixed: Options that the caller sets by part; the protocol's sweep of them does not count.
        by_hand: By part and option the values of a sweep that the caller asks for.

    Raises:
        UserError: The sweep names another part.
    """
    own: Options = dict(protocol["arm"].get(text, {}).get("options", {}))
    swept = dict(by_hand)
    for name, listed in _values(text, protocol["sweep"]).items():
        part, _, option = name.rpartition(".")
        if part and part not in names:
            raise UserError(f"sweep: {text} has no part {part!r}{did_you_mean(part, names)}")
        part = part or leader
        if part and option not in fixed.get(part, ()):
            swept[part, option] = listed
    points = []
    for chosen in itertools.product(*swept.values()):
        point = {part: dict(options) for part, options in own.items()}
        for (part, option), value in zip(swept, chosen, strict=True):
            point.setdefault(part, {})[option] = value
        points.append(point)
    return points


def _values(text: str, sweep: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The lists of the sweep for a composition or arm: those of all, then its own."""
    shared = {option: listed for option, listed in sweep.items() if isinstance(listed, list)}
    return {**shared, **sweep.get(text, {})}


def arms_rule(value: Any) -> str:
    """What an `arm` table must be, '' if it is."""
    if isinstance(value, Mapping) and all(map(_is_arm, value.values())):
        return ""
    example = '[arm.large] with strategy = "nanoadam"'
    return f"a table for each name, such as {example} and options by part"


def sweep_rule(value: Any) -> str:
    """What a `sweep` table must be, '' if it is."""
    if isinstance(value, Mapping) and all(_is_values(e) or _is_lists(e) for e in value.values()):
        return ""
    example = "[sweep] with lr = [1e-3, 1e-2]"
    return f"a table of lists, such as {example}, or one of those for each strategy"


def _is_arm(arm: Any) -> bool:
    if not isinstance(arm, Mapping) or not set(arm) <= {"strategy", "options"}:
        return False
    options = arm.get("options", {})
    if not isinstance(arm.get("strategy"), str) or not isinstance(options, Mapping):
        return False
    return all(isinstance(values, Mapping) for values in options.values())


def _is_lists(table: Any) -> bool:
    return isinstance(table, Mapping) and all(map(_is_values, table.values()))


def _is_values(values: Any) -> bool:
    return isinstance(values, list) and bool(values)
