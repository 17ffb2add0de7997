"""Whether a version of a board is what its records say: `python -m nanocl.report verify`.

Everything is recomputed from the records of the version. Its files must be as recomputed, byte for
byte, and `manifest.json` must have the published identity. The newest version is also compared with
the records in `runs/`: they are its present state. Records of older versions may have been measured
again since.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanocl import __version__
from nanocl.boards import (
    agreement,
    archive,
    changes,
    contents,
    manifest,
    parquet,
    reading,
    releasing,
)
from nanocl.boards.released import MANIFEST, Released, versions
from nanocl.records import Summary, UserError, files, plain, store
from nanocl.reporting import comma_separated
from nanocl.reporting.summaries import summarise

# what looks different with another layout: pages, and metadata that contain the identity
PAGES = ("table.md", "table.tex", "CHANGELOG.md")
METADATA = ("CITATION.cff", ".zenodo.json", "croissant.json")
Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What the verification of a version found.

    Attributes:
        differences: A line for each difference, with what was expected; none: it is verified.
        notes: What a reader should know that is no difference.
    """

    differences: tuple[str, ...]
    notes: tuple[str, ...]


def verify(released: Released, results_root: Path, identity: str = "") -> Verdict:
    """Recompute a version of a board from its records.

    Args:
        released: The version.
        results_root: The results folder that it is in.
        identity: The identity by which it was cited, if known.
    """
    try:
        given = released.manifest()
        results = reading.records(released, given)
        check = _Check(released, given, summarise(results))
        siblings = versions(released.name, results_root)
        differences = [*check.manifest(), *check.files(), *_chain(given, siblings, released)]
        differences += check.identity(identity)
        notes = [*check.notes(), *_missing_past(given, siblings)]
    except reading.Damaged as error:
        return Verdict(tuple(error.lines), ())
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Verdict((f"{MANIFEST}: {store.one_line(error)}",), ())
    if not (results_root / "runs").is_dir():
        notes.append(f"no {results_root / 'runs'}: verified by {archive.FILE} alone")
        return Verdict(tuple(differences), tuple(notes))
    replaced = [
        *agreement.replaced(results, results_root),
        *agreement.doubled(results, results_root),
    ]
    if released == siblings[-1]:
        differences += replaced
    elif replaced:
        notes.append(
            f"{len(replaced)} of its records are no longer in runs/, {archive.FILE} has them"
        )
    return Verdict(tuple(differences), tuple(notes))


@dataclass(frozen=True)
class _Check:
    """One version, and the rows that its records give."""

    released: Released
    given: Manifest
    rows: Sequence[Summary]

    def manifest(self) -> Iterator[str]:
        """What the manifest says otherwise than the records."""
        made = self._made()
        for key in sorted({*made, *self.given}):
            if key in ("tables", "nanocl", "layout") and self.has_other_layout:
                continue
            for line in changes.differing_keys(made.get(key), self.given.get(key), key):
                is_new = line.endswith(" -> none")  # in the manifests of this version
                if not (is_new and self.has_other_layout):
                    yield f"{MANIFEST}: {line} (expected -> given)"
        if self.given["board"] != self.released.name:
            yield f"{MANIFEST}: it is of the board {self.given['board']!r}"

    def files(self) -> Iterator[str]:
        """Which files are not as recomputed."""
        publication = self._publication()
        identity = manifest.identity_of(self.given)
        given = publication.get("identity", "none")
        if given != identity:
            yield f"{reading.RELEASE}: identity {given}, expected {identity}"
        wanted = releasing.texts(self.given, self.rows, publication, self._recipes())
        for name, text in wanted.items():
            yield from self._file(name, text)
        yield from self._parquet(wanted["table.csv"])
        for path in sorted(self.released.folder.iterdir()):
            if path.name not in {*wanted, archive.FILE, parquet.FILE}:
                yield f"{path.name}: no file of a version"

    def identity(self, cited: str) -> Iterator[str]:
        """Whether it is the version that was cited."""
        identity = manifest.identity_of(self.given)
        if cited and identity != cited:
            yield f"{MANIFEST}: sha256 {identity}, expected {cited} as cited"

    @property
    def has_other_layout(self) -> bool:
        """Whether nanocl makes other pages of the same records now."""
        made_by = self.given["nanocl"], self.given.get("layout")
        return made_by != (__version__, contents.LAYOUT)

    def notes(self) -> Iterator[str]:
        """What could not be verified here."""
        if self.has_other_layout:
            yield (
                f"released by nanocl {self.given['nanocl']} with layout {self.given.get('layout')},"
                f" this is {__version__} with layout {contents.LAYOUT}: every number of table.csv "
                "was recomputed, the pages only have the hashes of the manifest; --identity "
                "compares that with a citation"
            )
        if (self.released.folder / parquet.FILE).exists() and not parquet.is_installed():
            yield f"{parquet.FILE} was not compared: {parquet.MISSING}"

    def _file(self, name: str, expected: str) -> Iterator[str]:
        try:
            content = files.read(self.released.folder / name, plain.READ_LIMIT)
        except (OSError, ValueError) as error:
            yield f"{name}: {getattr(error, 'strerror', None) or error}"
            return
        if self.has_other_layout and name in self.given["tables"]:
            yield from self._other_table(name, content, expected)
        elif self.has_other_layout and name in METADATA:
            if manifest.identity_of(self.given).encode() not in content:
                yield f"{name}: it does not contain the identity"
        elif self.has_other_layout and name in PAGES:
            return
        elif content != expected.encode():
            yield f"{name}: {_first_difference(content, expected)}"

    def _other_table(self, name: str, content: bytes, expected: str) -> Iterator[str]:
        """A table of another layout: the numbers must be those of the records."""
        wanted = self.given["tables"][name]
        if manifest.sha256(content) != wanted:
            yield f"{name}: sha256 {manifest.sha256(content)}, expected {wanted}"
        elif name not in PAGES:
            yield from _other_lines(name, content.decode(errors="replace"), expected)

    def _parquet(self, table: str) -> Iterator[str]:
        path = self.released.folder / parquet.FILE
        is_compared = path.exists() and parquet.is_installed() and not self.has_other_layout
        if is_compared and not parquet.is_table(path, table):
            yield f"{parquet.FILE}: its rows are not those of table.csv"

    def _made(self) -> dict[str, Any]:
        """The manifest as the records give it, with the past and the notes as they are given."""
        given = self.given
        changed, before, notes = given["changes"], given["previous"], given["notes"]
        content, version = manifest.content_of(self.rows), self.released.version
        return manifest.make(self.rows, content, version, self._recipes(), changed, before, notes)

    def _recipes(self) -> contents.Recipes:
        try:
            recipes = plain.read(self.released.folder / releasing.TUNING)
        except (OSError, ValueError):
            return {}
        return recipes if isinstance(recipes, dict) else {}

    def _publication(self) -> dict[str, str]:
        try:
            return reading.written_publication(self.released)
        except (OSError, ValueError):
            return {"date": "", "url": ""}


def _chain(given: Manifest, siblings: Sequence[Released], released: Released) -> Iterator[str]:
    """What a version says of the one before, if that is still there."""
    previous = given["previous"]
    if not previous:
        if siblings[0].version < released.version:
            yield f"{MANIFEST}: `previous` is missing, expected v{siblings[0].version} or newer"
        elif changes.between(None, given) != given["changes"]:
            yield f"{MANIFEST}: `changes` are not those of a first version"
        return
    for before in siblings:
        if str(before.version) == previous["version"]:
            old = before.manifest()
            identity = manifest.identity_of(old)
            if previous["identity"] != identity:
                yield f"{MANIFEST}: previous has sha256 {previous['identity']}, expected {identity}"
            if changes.between(old, given) != given["changes"]:
                yield f"{MANIFEST}: `changes` are not those since {before}"


def _missing_past(given: Manifest, siblings: Sequence[Released]) -> Iterator[str]:
    previous = given["previous"]
    if previous and previous["version"] not in {str(one.version) for one in siblings}:
        yield f"v{previous['version']} is not here, so the changes since then were not compared"


def _other_lines(name: str, content: str, expected: str) -> Iterator[str]:
    """What a table of another layout has otherwise; it may lack metrics, but no row of one."""
    given, wanted = content.splitlines(), expected.splitlines()
    unknown = sorted({*given} - {*wanted})
    for line in unknown:
        yield f"{name}: the records do not give the line {line[:120]!r}"
    if unknown:
        return
    metrics = {_metric(line) for line in given}
    whole = [line for line in wanted if _metric(line) in metrics]
    if given != whole:
        yield f"{name}: it has {len(given)} lines in its order, its metrics have {len(whole)}"


def _metric(line: str) -> tuple[str, ...]:
    cells = dict(zip(comma_separated.HEADER, next(csv.reader([line])), strict=False))
    return cells.get("kind", ""), cells.get("metric", "")


def _first_difference(content: bytes, expected: str) -> str:
    """The first line that differs, as it is and as it should be."""
    if content.replace(b"\r\n", b"\n") == expected.encode():
        return "its lines end with \\r\\n, expected \\n: git or an editor converted it"
    given, wanted = content.decode(errors="replace").splitlines(), expected.splitlines()
    for number, (one, other) in enumerate(zip(given, wanted, strict=False), 1):
        if one != other:
            start = max(0, _common(one, other) - 20)
            return (
                f"line {number} has {plain.printable(one[start : start + 80])!r}, expected "
                f"{other[start : start + 80]!r}"
            )
    return f"it has {len(given)} lines and {len(content)} bytes, expected {len(wanted)} lines"


def _common(one: str, other: str) -> int:
    """The number of equal characters that both begin with."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
