"""Verdicts that were retracted or changed: the old ones with their reasons, from a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nanocl.records import UserError
from nanocl.reporting.formats import pipe_table
from nanocl.studies.verdicts import Judged

FILE = "verdicts.toml"  # in the results folder
_ABOVE = """\
## Changed verdicts

Earlier versions of this page, and what its records support now. A claim with several comparisons
became one claim for each."""


@dataclass(frozen=True)
class Change:
    """An earlier verdict.

    Attributes:
        claim: The claim as it was worded.
        old: Its verdict.
        reasons: Why that was retracted or changed, in a few words each.
        now: The claims of today that take its place; the same one if empty.
    """

    claim: str
    old: str
    reasons: tuple[str, ...]
    now: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changelog:
    """Earlier verdicts with their reasons.

    Attributes:
        changes: In the order of the file.
        reasons: A few words to the reason in full.
    """

    changes: Sequence[Change] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


def read(results_root: Path) -> Changelog:
    """The changes of a results folder; empty without a file.

    Raises:
        UserError: The file cannot be read.
    """
    path = results_root / FILE
    if not path.is_file():
        return Changelog()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        reasons = values["reason"]
        changed = []
        for row in values["change"]:
            names = tuple(name for name in row["reasons"] if reasons[name])
            changed.append(Change(row["claim"], row["old"], names, tuple(row.get("now", ()))))
        return Changelog(changed, reasons)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: {error}; it needs a table `reason` of texts, and tables `change` with "
            "`claim`, `old`, `reasons` (keys of that table) and optionally `now` (a list of claims)"
        ) from error


def section(changelog: Changelog, judged: Sequence[Judged]) -> str:
    """A table of old and present verdicts, the latter computed; empty without changes."""
    if not changelog.changes:
        return ""
    verdicts: dict[str, list[str]] = {}
    for row in judged:
        verdicts.setdefault(row.claim.claim, []).append(row.verdict)
    rows = []
    for change in changelog.changes:
        present: list[str] = []
        for text in change.now or (change.claim,):
            present += verdicts.get(text, ["not judged any more"])
        distinct = list(dict.fromkeys(present))
        shown = [f"{word} ({present.count(word)})" for word in distinct]
        now = "; ".join(shown if len(distinct) > 1 else distinct)
        rows.append((change.claim, change.old, now, "; ".join(change.reasons)))
    header = ("claim", "earlier", "now", "reasons")
    table = pipe_table(header, rows, names=len(header), padded=False)
    legend = "\n".join(f"- *{name}*: {text}" for name, text in changelog.reasons.items())
    return "\n\n".join((_ABOVE, table, legend))
