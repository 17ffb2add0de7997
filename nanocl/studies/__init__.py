"""Studies: claims of papers, tested on many runs. Each study is a folder here, found by its name.

A study reads records and makes verdicts, pages and figures of them; `nanocl.studies.study` says
which functions it has. A study whose protocol has a table `study` also trains: its many small runs
would be slow one by one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Container, Sequence
from pathlib import Path
from typing import cast

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.records import RunResult
from nanocl.studies import claims_page
from nanocl.studies.study import PAGE, Study, TrainedStudy

__all__ = ["Study", "TrainedStudy", "every", "figures", "find", "pages"]


def every() -> list[Study]:
    """All studies, in the order of their names."""
    folders = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    return [_load(name) for name in sorted(folders)]


def find(stream: str, catalogue: Catalogue) -> TrainedStudy | None:
    """The study of a protocol that trains, or None if the protocol has none.

    Args:
        stream: A value of `--stream`.
        catalogue: The plugins, in whose files the protocol may be.

    Raises:
        UserError: An unknown protocol.
    """
    name, protocol = suite.find(stream, catalogue)
    if "study" not in protocol or stream.endswith(".toml"):
        return None
    return cast(TrainedStudy, _load(name.replace("-", "_")))


def pages(results: Sequence[RunResult], results_root: Path) -> dict[Path, str]:
    """The pages of all studies and `CLAIMS.md` with the verdicts of all of them."""
    written: dict[Path, str] = {}
    studies = every()
    for study in studies:
        written |= study.pages(results, results_root)
    chapters = [chapter for study in studies for chapter in study.claims(results, results_root)]
    page = claims_page.claims_page(chapters, results_root)
    return written | ({results_root / "CLAIMS.md": page} if page else {})


def figures(
    results: Sequence[RunResult],
    results_root: Path,
    changed: Container[Path],
) -> dict[Path, bytes]:
    """The figures of the pages in `changed`, and of every page that lacks one.

    matplotlib is loaded only if there is a figure to draw.
    """
    drawn: dict[Path, bytes] = {}
    for study in every():
        for needed in study.figures(results, results_root):
            if needed.folder / PAGE in changed or needed.missing():
                contents = needed.draw()
                drawn |= {needed.folder / name: content for name, content in contents.items()}
    return drawn


def _load(name: str) -> Study:
    return cast(Study, importlib.import_module(f"nanocl.studies.{name}.study"))
