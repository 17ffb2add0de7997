"""Rows of text and label in CSV, TSV, JSON and JSON lines, each with its place for errors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nanocl.data import limits
from nanocl.records import UserError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "sentence"),
    "label": ("label", "category"),
}
Row = tuple[str, Any, Any]  # its place, text, label


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file, by its suffix.

    Raises:
        UserError: The file is not UTF-8, or has the wrong layout.
    """
    text = _decoded(path)
    readers: dict[str, Callable[[Path, str], Iterator[Row]]] = {
        ".csv": _table,
        ".tsv": _table,
        ".jsonl": _lines,
        ".json": _list,
    }
    return readers[path.suffix](path, text)


def _decoded(path: Path) -> str:
    content = limits.read(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} must be UTF-8, line {line} is not: {error.reason}") from error


def _table(path: Path, text: str) -> Iterator[Row]:
    """Rows of a table with a header line."""
    is_quoted = path.suffix == ".csv"
    lines = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="," if is_quoted else "\t",
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        header = next(lines, [])
        column = {name: _column(header, names, path) for name, names in COLUMNS.items()}
        for cells in lines:
            where = f"{path}, line {lines.line_num}"
            if len(cells) != len(header):
                raise UserError(f"{where}: {len(cells)} cells, the header has {len(header)}")
            yield where, cells[column["text"]], cells[column["label"]]
    except csv.Error as error:
        raise UserError(f"{path}, line {lines.line_num}: {error}") from error


def _column(header: Sequence[str], names: Sequence[str], path: Path) -> int:
    columns = [number for number, name in enumerate(header) if name.strip() in names]
    if len(columns) != 1:
        raise UserError(
            f"{path} needs one column {' or '.join(names)}, its header has "
            f"{', '.join(header)[:200] or 'none'}"
        )
    return columns[0]


def _lines(path: Path, text: str) -> Iterator[Row]:
    """Objects, one a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            yield _entry(where, _parsed(line, where))


def _list(path: Path, text: str) -> Iterator[Row]:
    """A list of objects."""
    entries = _parsed(text, str(path))
    if not isinstance(entries, list):
        raise UserError(f"{path} must be a list of objects, got {type(entries).__name__}")
    for number, entry in enumerate(entries, 1):
        where = f"{path}, entry {number}"
        yield _entry(where, entry)


def clinc_rows(path: Path, splits: Iterable[str]) -> dict[str, Iterator[Row]]:
    """The rows of some splits of CLINC150's file, lists of [text, intent] by split.

    Raises:
        UserError: As `rows_of` does.
    """
    parts = _parsed(_decoded(path), str(path))
    rows = {}
    for split in splits:
        pairs = parts.get(split) if isinstance(parts, dict) else None
        if not isinstance(pairs, list):
            raise UserError(f"{path} must have a list {split!r} of [text, intent], as CLINC150 has")
        rows[split] = _pairs(f"{path}, {split}", pairs)
    return rows


def _pairs(place: str, pairs: Iterable[Any]) -> Iterator[Row]:
    for number, pair in enumerate(pairs, 1):
        where = f"{place} {number}"
        if not isinstance(pair, list) or len(pair) != 2:
            raise UserError(f"{where} must be [text, intent], got {str(pair)[:80]!r}")
        yield where, pair[0], pair[1]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: {str(error)[:200]}") from error


def _entry(where: str, entry: Any) -> Row:
    if not isinstance(entry, dict):
        raise UserError(f"{where} must be an object, got {type(entry).__name__}")
    values = []
    for names in COLUMNS.values():
        own = [name for name in names if name in entry]
        if len(own) != 1:
            raise UserError(
                f"{where} needs one key {' or '.join(names)}, it has "
                f"{', '.join(map(str, entry))[:200] or 'none'}"
            )
        values.append(entry[own[0]])
    return where, values[0], values[1]
