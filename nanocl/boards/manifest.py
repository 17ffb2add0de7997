"""The manifest of a version of a board: every record, the protocol and the sums of all files.

It contains no date and no path of a machine: the same records give the same bytes. The SHA-256 of
the file is the identity of the board (`sha256sum manifest.json`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nanocl import __version__
from nanocl.boards import contents, names
from nanocl.boards.released import SCHEMA, Version
from nanocl.records import RunResult, Summary, hash_of, store
from nanocl.records.encoding import to_record
from nanocl.reporting.summaries import results_of


def content_of(rows: Sequence[Summary]) -> dict[str, Any]:
    """What decides whether a board has changed: its protocol and its records."""
    spec = rows[0].results[0].spec
    entries = [_entry(row, run) for row in rows for run in row.results]
    return {
        "protocol": {"hash": spec.protocol_hash, **spec.shared_identity()},
        "records": sorted(entries, key=lambda entry: entry["path"]),
    }


def make(
    rows: Sequence[Summary],
    content: Mapping[str, Any],
    version: Version,
    recipes: contents.Recipes,
    changes: Mapping[str, Any],
    previous: Mapping[str, str] | None,
    notes: str = "",
) -> dict[str, Any]:
    """The manifest of a version.

    Args:
        rows: The rows of the board.
        content: Their `content_of`.
        version: Its version.
        recipes: Learner to the baseline that it was tuned by.
        changes: What is new, see `nanocl.boards.changes`.
        previous: `version` and `identity` of the version before, or None.
        notes: Of whoever releases it.
    """
    spec = rows[0].results[0].spec
    tables = contents.tables(rows, recipes)
    return {
        "schema": SCHEMA,
        "board": names.name_of(spec),
        "version": str(version),
        "previous": previous,
        "nanocl": __version__,
        "layout": contents.LAYOUT,
        **content,
        "measure": rows[0].results[0].measure,
        "learners": [contents.label(row) for row in rows],
        "tuning": {learner: hash_of(recipe, 64) for learner, recipe in recipes.items()},
        "environments": contents.environments(rows),
        "statistics": contents.board_statistics(rows),
        "tables": {name: sha256(text.encode()) for name, text in tables.items()},
        "changes": changes,
        "notes": notes,
    }


def text_of(manifest: Mapping[str, Any]) -> str:
    """The one form in which a manifest is written."""
    return json.dumps(manifest, sort_keys=True, indent=1, allow_nan=False) + "\n"


def identity_of(manifest: Mapping[str, Any]) -> str:
    """The identity of the board, 64 hex digits."""
    return sha256(text_of(manifest).encode())


def sha256(content: bytes) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def ordered(results: Sequence[RunResult]) -> list[RunResult]:
    """The records in the order of the manifest."""
    return sorted(results, key=path_of)


def path_of(run: RunResult) -> str:
    """The path of a record in a results folder."""
    return store.path_of(run.spec, Path()).as_posix()


def all_results(rows: Sequence[Summary]) -> list[RunResult]:
    """The records of all rows in the order of the manifest."""
    return ordered(results_of(rows))


def _entry(row: Summary, run: RunResult) -> dict[str, Any]:
    return {
        "path": path_of(run),
        "digest": run.spec.digest,
        "checksum": to_record(run)["checksum"],
        "learner": contents.label(row),
        "strategy": run.spec.strategy_name,
        "seed": run.spec.seed,
        "status": run.status,
        "options_from": run.spec.options_from,
    }
