"""Everything that can be named in `nanocl.run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nanocl.plugins.catalogue import KINDS, Catalogue
from nanocl.protocols import protocol
from nanocl.records import UserError
from nanocl.records.ranges import one_of

PROTOCOLS = "protocols"


def list_plugins(
    kind: str | None = None, plugin: Sequence[str | Path] = ()
) -> list[dict[str, Any]]:
    """One dictionary for each protocol, strategy, stream family and model.

    Each has `kind`, `name`, `summary`, `options` (name to default), `scenarios`, `file` (of a
    plugin of the caller, else empty) and, for protocols, `tiers`; `pandas.DataFrame` makes a frame
    of them.

    Args:
        kind: `protocols`, `strategies`, `streams` or `models`; None for all.
        plugin: Plugin files of the caller, which are listed too.

    Raises:
        UserError: Another kind, or a file that holds no plugin.
    """
    kinds = (PROTOCOLS, *KINDS)
    chosen = kinds if kind is None else (one_of("kind", kind, kinds, UserError),)
    catalogue = Catalogue(Path(file) for file in plugin)
    listed: list[dict[str, Any]] = []
    for one in chosen:
        listed += _protocols() if one == PROTOCOLS else _plugins(one, catalogue)
    return listed


def _protocols() -> Iterator[dict[str, Any]]:
    for name, tables in protocol.protocols().items():
        yield {
            "kind": PROTOCOLS,
            "name": name,
            "summary": tables.get("title", ""),
            "options": {},
            "scenarios": (protocol.at(tables, next(iter(tables["tier"])))["scenario"],),
            "file": "",
            "tiers": tuple(tables["tier"]),
        }


def _plugins(kind: str, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for plugin in catalogue.plugins(kind).values():
        yield {
            "kind": kind,
            "name": plugin.name,
            "summary": plugin.summary,
            "options": {name: default for name, (_, default) in plugin.options.items()},
            "scenarios": tuple(plugin.scenarios),
            "file": str(plugin.file.path) if plugin.file else "",
            "tiers": (),
        }
