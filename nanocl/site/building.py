"""Writes the site into a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from nanocl import __version__
from nanocl.records import Summary, UserError, files
from nanocl.reporting import citation, leaderboard, metrics, publications
from nanocl.reporting.summaries import results_of
from nanocl.site import board_page, learner_page, words
from nanocl.site.board import Board, collect
from nanocl.site.claims import judged

STATIC = ("site.css", "site.js")
MARK = ".nanocl-site"  # lists the files of the site, which the next one replaces


def build(summaries: Sequence[Summary], results_root: Path, folder: Path) -> list[str]:
    """Write every page; a line for each board that is damaged and left out.

    Args:
        summaries: The rows of the results folder.
        results_root: The results folder, with released boards.
        folder: Where the site goes: a new or empty folder, or one with an earlier site, whose files
            are replaced; others in it are kept.

    Raises:
        UserError: The folder holds other files.
        OSError: It cannot be written.
    """
    _check(folder)
    boards, problems = collect(summaries, results_root)
    # all of it before anything is deleted: an error leaves the earlier site as it is
    content = dict(_files(summaries, results_root, boards, _templates()))
    _remove_earlier(folder)
    files.write(folder / MARK, "".join(f"{path}\n" for path in content))
    for path, made in content.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made.encode() if isinstance(made, str) else made)
    return problems


def _check(folder: Path) -> None:
    """Refuse a folder with files that is no earlier site."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UserError(
            f"{str(folder)!r} holds files that are no site of nanocl: choose an empty folder with "
            "--output"
        )


def _remove_earlier(folder: Path) -> None:
    """Remove the files of an earlier site, and folders that are empty then."""
    if not (folder / MARK).is_file():
        return
    top = folder.resolve()
    for line in (folder / MARK).read_text(encoding="utf-8").splitlines():
        path = (folder / line).resolve()
        if not path.is_relative_to(top):
            continue
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == top or not parent.is_dir() or any(parent.iterdir()):
                break
            parent.rmdir()


def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("nanocl.site"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["version"] = __version__
    return made


def _files(
    summaries: Sequence[Summary],
    results_root: Path,
    boards: Sequence[Board],
    templates: Environment,
) -> Iterator[tuple[str, str | bytes]]:
    """Path and content of every file."""
    for name in STATIC:
        yield name, (resources("nanocl.site") / "static" / name).read_text("utf-8")
    records = results_of(summaries)
    identity = leaderboard.identity(records)
    newest = [board for board in boards if board.is_newest]
    pages: dict[str, Mapping[str, Any]] = {
        "index.html": {
            "headline": words.headline(boards),
            "boards": [(board, words.title(board), [*words.answers(board)]) for board in newest],
            "choices": [choice for board in newest for choice in board_page.choices(board)],
            "streams": sorted({board.spec.protocol for board in newest}),
            "records": len(records),
            "identity": identity,
        },
        "metrics.html": {"kinds": _metrics()},
        "claims.html": {"chapters": judged(records, results_root)},
        "submit.html": {"bibtex": citation.board_entry(identity, len(records))},
    }
    for path, values in pages.items():
        yield path, templates.get_template(path).render(root="", **values)
    for board in boards:
        yield from board_page.files_of(board, boards, templates)
        yield from learner_page.files_of(board, templates)


def _metrics() -> list[tuple[str, list[dict[str, Any]]]]:
    """Kind to its metrics with definition, words and sources."""
    made = []
    for kind in metrics.KINDS:
        rows = []
        for column in metrics.columns(kind):
            says = (column.compute.__doc__ or "").strip().split("\n\n")[0]
            sources = [publications.label(key) for key in column.source]
            rows.append({"column": column, "says": says, "sources": "; ".join(sources)})
        made.append((kind, rows))
    return made
