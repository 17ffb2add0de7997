"""Notices options of a group that changed since its last step."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

# options that enter a step as numbers; a schedule may change them in every step
SCHEDULED = ("lr", "betas", "eps", "weight_decay")


class Changes:
    """The options of each group at its last step, without those that a schedule changes."""

    def __init__(self, options: Collection[str]) -> None:
        self._names = tuple(name for name in options if name not in SCHEDULED)
        # a group is kept beside its options, so that no other group gets its id
        self._kept: dict[int, tuple[dict[str, Any], tuple[Any, ...]]] = {}

    def remember(self, group: dict[str, Any]) -> None:
        """Take the present options as those of the last step."""
        self._kept[id(group)] = group, tuple(map(group.get, self._names))

    def happened(self, group: dict[str, Any]) -> bool:
        """Whether an option changed, or nothing is remembered of the group."""
        kept = self._kept.get(id(group))
        return kept is None or kept[1] != tuple(map(group.get, self._names))

    def refuse(self, group: dict[str, Any], fixed: Collection[str]) -> None:
        """Raise ValueError if one of the `fixed` options changed."""
        kept = self._kept.get(id(group))
        if kept is None:
            return
        for name, before in zip(self._names, kept[1], strict=True):
            if name in fixed and group.get(name) != before:
                raise ValueError(
                    f"{name} cannot change from {before!r} to {group.get(name)!r} while parameters "
                    "have a state that depends on it: empty their state first"
                )
