"""BibTeX of a leaderboard and of everything in it: plugins, data sets and metrics."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nanocl import __version__
from nanocl.plugins.catalogue import INSTALLED, Catalogue
from nanocl.records import RunResult, UserError
from nanocl.records.plain import printable
from nanocl.records.ranges import nearest
from nanocl.reporting import metrics
from nanocl.reporting.publications import DATA_SETS, PUBLICATIONS

BOARD = "leaderboard"
SOFTWARE = "nanocl"
DATE = "2026-11-28"  # of the version of the package, as in CITATION.cff
TITLE = "{nanocl}: a benchmark of optimizers and strategies for continual learning"


def bibtex(key: str) -> str:
    """The entry of a publication."""
    publication = PUBLICATIONS[key]
    return entry(publication.kind, key, publication.fields)


def board_entry(identity: str, runs: int, url: str = "") -> str:
    """The entry of the leaderboard: the version of the package and the identity of the records."""
    note = {"note": f"records {identity} ({runs} runs)"}
    return entry(
        "misc", f"nanocl-{identity}", {"title": "{nanocl} leaderboard", **_own_fields(url), **note}
    )


def software_entry(url: str = "") -> str:
    """The entry of the package."""
    return entry("software", f"nanocl-{__version__}", {"title": TITLE, **_own_fields(url)})


def _own_fields(url: str) -> dict[str, str]:
    fields = {"author": "{The nanocl authors}", "year": DATE[:4], "version": __version__}
    return fields | ({"url": url} if url else {})


def cite(
    names: Sequence[str],
    results: Sequence[RunResult],
    identity: str,
    catalogue: Catalogue | None = None,
    url: str = "",
) -> str:
    """BibTeX of the names; without names, of the leaderboard and everything in it.

    Args:
        names: `leaderboard`, `nanocl`, and names of strategies (or compositions), streams,
            models, data sets and metrics.
        results: The records of the leaderboard.
        identity: Its identity.
        catalogue: Plugins that can be cited; default: those that are installed.
        url: Where the records are published, or empty.

    Raises:
        UserError: An unknown name.
    """
    book = _book(catalogue) | {
        BOARD: (board_entry(identity, len(results), url),),
        SOFTWARE: (software_entry(url),),
    }
    wanted = [part for name in names for part in _parts(name, book)] or [
        BOARD,
        *_mentioned(results),
    ]
    return _joined(wanted, book)


def cite_board(board: str, results: Sequence[RunResult], catalogue: Catalogue | None = None) -> str:
    """BibTeX of a released board and of everything in it.

    Args:
        board: The entry of the board.
        results: Its records.
        catalogue: Plugins that can be cited; default: those that are installed.
    """
    return _joined([BOARD, *_mentioned(results)], _book(catalogue) | {BOARD: (board,)})


def _joined(wanted: Iterable[str], book: Mapping[str, tuple[str, ...]]) -> str:
    """The entries of these names, each work once."""
    entries: dict[str, str] = {}
    for name in wanted:
        for text in _entries(name, book) or (f"% no citation for {printable(name)}",):
            entries.setdefault(_work(text), text.strip())
    return "\n\n".join(_with_own_keys(entries.values())) + "\n"


def entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    """A BibTeX entry."""
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"


def _book(catalogue: Catalogue | None = None) -> dict[str, tuple[str, ...]]:
    """Name to BibTeX entries of everything that can be cited."""
    book: dict[str, tuple[str, ...]] = {"avalanche": (bibtex("lomonaco2021"),)}
    for kind in metrics.KINDS:
        for column in filter(lambda column: column.source, metrics.columns(kind)):
            entries = tuple(map(bibtex, column.source))
            book |= {column.name.replace("_", "-"): entries, column.title.lower(): entries}
    for name, keys in DATA_SETS.items():
        book[name] = tuple(map(bibtex, keys))
    for kind in ("models", "streams", "strategies"):
        for plugin in (catalogue or INSTALLED).plugins(kind).values():
            name = plugin.name.lower()
            book[name] = (*book.get(name, ()), *_split(plugin.citation))
            book |= {
                f"{name}:{text.lower()}": _split(entry) for text, entry in plugin.citations.items()
            }
    return book


def _entries(name: str, book: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The entries of a name.

    `pytorch-optimizer:SAM:AdamW` has those of SAM and AdamW, then those of the library.
    """
    library, *optimizers = name.lower().split(":")
    entries: list[str] = []
    for optimizer in optimizers:
        entries += book.get(f"{library}:{optimizer}", ())
    return (*entries, *book.get(library, ()))


def _parts(name: str, book: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The entries that a name refers to: itself, or the parts of a composition."""
    lowered = name.strip().lower()
    for text in (lowered, lowered.replace("_", "-")):
        if text in book:
            return [text]
    parts = lowered.split("+")
    for stem in (part.split(":")[0] for part in parts):
        if stem not in book:
            near = nearest(stem, book)
            kinds = "name strategies, streams, models, data sets or metrics, or leaderboard"
            hint = f"did you mean {near!r}?" if near else kinds
            raise UserError(f"no citation for {name!r}; {hint}")
    return parts


def _mentioned(results: Iterable[RunResult]) -> Iterator[str]:
    """Everything in the records: strategies, streams, models, data sets, metrics, Avalanche."""
    results = list(results)
    specs = [run.spec for run in results]
    yield from sorted({part.name for spec in specs for part in spec.strategy})
    yield from sorted({spec.stream.name for spec in specs})
    yield from sorted({spec.model.name for spec in specs})
    yield from sorted({str(data["name"]) for run in results for data in run.data})
    yield from (
        column.name.replace("_", "-") for column in metrics.columns("accuracy") if column.source
    )
    yield "avalanche"


def _split(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"^@\w+\{.*?^\}", text, re.DOTALL | re.MULTILINE)) or (
        (text,) if text.strip() else ()
    )


def _work(entry: str) -> str:
    """The title of an entry without case and marks: the same work is cited once."""
    title = re.search(r"^\s*title\s*=\s*(.*?),?$", entry, re.MULTILINE)
    if title:
        return re.sub(r"\W|_", "", title.group(1)).lower()
    return entry.strip()


def _with_own_keys(entries: Iterable[str]) -> Iterator[str]:
    """The entries; a repeated key gets a letter appended."""
    used: set[str] = set()
    for entry in entries:
        match = re.match(r"@\w+\s*\{\s*([^,\s]+)", entry)
        if match is None:
            yield entry
            continue
        key = match[1]
        candidates = [key + letter for letter in ("", *string.ascii_lowercase)]
        own = next(candidate for candidate in candidates if candidate not in used)
        used.add(own)
        yield entry.replace(key, own, 1)
