"""The study's functions, see `nanocl.studies.study`; it judges no claims."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nanocl.records import RunResult, trainings
from nanocl.studies.byo.page import Record, figure_name, groups, page
from nanocl.studies.claims import Chapter
from nanocl.studies.study import PAGE, FigureSet


def claims(results: Sequence[RunResult], results_root: Path) -> list[Chapter]:
    """No claims: nothing of these trainings was checked."""
    return []


def pages(results: Sequence[RunResult], results_root: Path) -> dict[Path, str]:
    """One page with all trainings."""
    records, _ = trainings.load_all(results_root)
    return {results_root / trainings.FOLDER / PAGE: page(records)} if records else {}


def figures(results: Sequence[RunResult], results_root: Path) -> list[FigureSet]:
    """One figure for each comparison of the page."""
    records, _ = trainings.load_all(results_root)
    names = [figure_name(group) for group in groups(records).values()]
    return [FigureSet(results_root / trainings.FOLDER, names, partial(_draw, records))]


def _draw(records: Sequence[Record]) -> dict[str, bytes]:
    from nanocl.studies.byo.figures import draw  # here, because it loads matplotlib

    return draw(records)
