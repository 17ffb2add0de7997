"""The content of a released version, read only if it is what its manifest and identity say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nanocl.boards import agreement, archive, manifest, names
from nanocl.boards.released import Released, latest
from nanocl.records import RunResult, Summary, UserError, plain, store
from nanocl.reporting.summaries import summarise

RELEASE = "release.json"  # what is no part of the identity


class Damaged(Exception):
    """The records of a version are not those of its manifest.

    Attributes:
        lines: A line for each difference.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def rows_of(text: str, results_root: Path) -> list[Summary]:
    """The rows of a released version, or without `@` those of a board's present records.

    Raises:
        UserError: There is no such board or version, or it is damaged.
    """
    if "@" not in text:
        return names.rows_of(text, results_root)
    return summarise(results_of(latest(text, results_root)))


def results_of(released: Released) -> list[RunResult]:
    """The records of a version.

    Raises:
        UserError: The version is damaged.
    """
    given = released.manifest()
    publication(released, manifest.identity_of(given))
    try:
        return records(released, given)
    except Damaged as error:
        raise _unreadable(released, error.lines[0]) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(released, "its manifest does not list its records") from error


def records(released: Released, given: Mapping[str, Any]) -> list[RunResult]:
    """The records of a version, if they are those of its manifest.

    Raises:
        Damaged: They are not, or cannot be read.
        KeyError, TypeError, AttributeError: The manifest does not list records.
    """
    try:
        written = archive.read(released.folder)
    except (OSError, ValueError) as error:
        raise Damaged([f"{archive.FILE}: {store.one_line(error)}"]) from error
    results = []
    lines = []
    sums: list[tuple[str, str]] = []
    for number, record in enumerate(written, 1):
        try:
            results.append(store.verified(record))
            sums.append((manifest.path_of(results[-1]), record["checksum"]))
        except ValueError as error:
            lines.append(f"{archive.FILE}, line {number}: {store.one_line(error)}")
    wanted = {entry["path"]: entry["checksum"] for entry in given["records"]}
    lines += agreement.with_manifest(wanted, sums)
    if lines or not results:
        raise Damaged(lines or [f"{archive.FILE}: it has no record"])
    return results


def publication(released: Released, identity: str) -> dict[str, str]:
    """`identity` of a version, and its `date` and `url` as they were given.

    Raises:
        UserError: They cannot be read, or the version has another identity.
    """
    try:
        values = written_publication(released)
    except (OSError, ValueError) as error:
        raise _unreadable(released, store.one_line(error)) from error
    if values["identity"] != identity:
        raise _unreadable(released, "its manifest does not have its identity")
    return values


def written_publication(released: Released) -> dict[str, str]:
    """As `publication`, whatever the identity is.

    Raises:
        ValueError, OSError: The file is missing or damaged.
    """
    values = plain.read(released.folder / RELEASE)
    keys = {"identity", "date", "url"}
    if not isinstance(values, dict) or set(values) != keys:
        raise ValueError(f"{RELEASE} must have the keys {', '.join(sorted(keys))}")
    if not all(isinstance(value, str) for value in values.values()):
        raise ValueError(f"the values of {RELEASE} must be texts")
    return values


def _unreadable(released: Released, reason: str) -> UserError:
    return UserError(
        f"{released} is damaged: {reason}; python -m nanocl.report verify {released} says more"
    )
