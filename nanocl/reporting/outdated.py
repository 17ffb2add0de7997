"""Says which rows were measured with an older version of their algorithm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols.compositions import with_default_optimizer
from nanocl.records import Part, Summary, UserError


def rows(summaries: Sequence[Summary]) -> Iterator[str]:
    """A note on the rows that this version of nanocl would measure again; nothing without any."""
    names = [row.strategy for row in summaries if is_outdated(row.results[0].spec.strategy)]
    if names:
        yield (
            "measured with an older version of their algorithm, so that this version of nanocl "
            f"would measure them again: {', '.join(dict.fromkeys(names))}"
        )


def is_outdated(parts: Sequence[Part]) -> bool:
    """Whether a part of a composition is older than the installed plugin of its name."""
    try:
        today = [replace(part, version=_version(part)) for part in parts]
        today = with_default_optimizer(today, INSTALLED)
    except UserError:  # a plugin of a user, or one that is not installed here
        return False
    return any(part.version < now.version for part, now in zip(parts, today, strict=True))


def _version(part: Part) -> int:
    return part.version if part.plugin else INSTALLED.plugin("strategies", part.name).version
