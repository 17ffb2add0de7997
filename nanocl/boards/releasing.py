"""A new version of a board: `python -m nanocl.report release NAME`."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanocl.boards import (
    archive,
    changes,
    citing,
    contents,
    croissant,
    manifest,
    names,
    parquet,
    reading,
)
from nanocl.boards.released import MANIFEST, Released, folder_of, root_of, versions
from nanocl.records import Summary, UserError, files

TUNING = "tuning.json"


@dataclass(frozen=True)
class Outcome:
    """What `release` did.

    Attributes:
        released: The newest version of the board.
        identity: Its identity.
        is_new: Whether this call made it.
    """

    released: Released
    identity: str
    is_new: bool


def release(
    text: str, results_root: Path, notes: str = "", date: str = "", url: str = ""
) -> Outcome:
    """Make a new version of a board from the records, if they or the protocol changed.

    Args:
        text: The name of the board, see `nanocl.boards.names.rows_of`.
        results_root: The results folder.
        notes: Added to `CHANGELOG.md`.
        date: Day of publication, for the citation; no part of the identity.
        url: Where the version is published, for the citation; no part of the identity.

    Raises:
        UserError: No such board, its newest version is damaged, or the folder cannot be written.
    """
    rows = names.rows_of(text, results_root)
    name = names.name_of(rows[0].results[0].spec)
    newest = next(reversed(versions(name, results_root)), None)
    old = newest.manifest() if newest else None
    if newest and old and _identity_on_disk(newest) != manifest.identity_of(old):
        raise UserError(f"{newest} is damaged; python -m nanocl.report verify {newest} says how")
    new = manifest.content_of(rows)
    if newest and old and changes.is_empty(old, new):
        return Outcome(newest, manifest.identity_of(old), False)
    previous = {"version": old["version"], "identity": manifest.identity_of(old)} if old else None
    version = changes.next_version(old, new)
    recipes = contents.recipes_of(rows)
    made = manifest.make(rows, new, version, recipes, changes.between(old, new), previous, notes)
    released = Released(name, version, folder_of(name, version, results_root))
    wanted = texts(made, rows, {"date": date, "url": url}, recipes)
    _write(released, wanted, rows, results_root)
    return Outcome(released, manifest.identity_of(made), True)


def texts(
    made: Mapping[str, Any],
    rows: Sequence[Summary],
    publication: Mapping[str, str],
    recipes: contents.Recipes,
) -> dict[str, str]:
    """Every text file of a version: file name to content.

    Args:
        made: The manifest.
        rows: The rows of the board.
        publication: `date` and `url`; may be empty.
        recipes: Learner to the baseline that it was tuned by.
    """
    identity = manifest.identity_of(made)
    citation = citing.Publication(made, identity, publication["date"], publication["url"])
    tables = contents.tables(rows, recipes)
    return {
        MANIFEST: manifest.text_of(made),
        reading.RELEASE: _json({"identity": identity, **publication}),
        TUNING: _json(recipes),
        **tables,
        "CHANGELOG.md": changes.page(made),
        "CITATION.cff": citing.cff(citation),
        ".zenodo.json": _json(citing.zenodo(citation)),
        "croissant.json": _json(croissant.metadata(citation, tables["table.csv"])),
    }


def _identity_on_disk(released: Released) -> str:
    try:
        return reading.written_publication(released)["identity"]
    except (OSError, ValueError):
        return ""


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _write(
    released: Released, wanted: Mapping[str, str], rows: Sequence[Summary], results_root: Path
) -> None:
    """Write the folder whole or not at all; one that exists is never changed."""
    temporary = released.folder.with_name(f".{released.folder.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        for name, text in wanted.items():
            files.write(temporary / name, text)
        files.write(temporary / archive.FILE, archive.pack(manifest.all_results(rows)))
        if parquet.is_installed():
            files.write(temporary / parquet.FILE, parquet.content(wanted["table.csv"]))
        os.rename(temporary, released.folder)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise UserError(f"another call made {released} meanwhile; call again") from error
        raise UserError(
            f"cannot write {str(error.filename or root_of(results_root))!r} ({error.strerror}); "
            "choose a writable folder with --results"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
