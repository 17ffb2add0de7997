"""The study's functions, see `nanocl.studies.study`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nanocl.records import RunResult
from nanocl.studies.claims import Chapter
from nanocl.studies.mechanism.claims import probe_claims
from nanocl.studies.mechanism.groups import Group, groups
from nanocl.studies.mechanism.page import FIGURES, probe_page
from nanocl.studies.study import PAGE, FigureSet


def claims(results: Sequence[RunResult], results_root: Path) -> list[Chapter]:
    """The claims on the mechanism."""
    return [Chapter("Mechanism", probe_claims(groups(results_root)))]


def pages(results: Sequence[RunResult], results_root: Path) -> dict[Path, str]:
    """One page for all probes."""
    probed = groups(results_root)
    if probed:
        return {_folder(results_root) / PAGE: probe_page(probed)}
    return {}


def figures(results: Sequence[RunResult], results_root: Path) -> list[FigureSet]:
    """The figures of that page."""
    probed = groups(results_root)
    names = [f"{name}.png" for name in FIGURES]
    if probed:
        return [FigureSet(_folder(results_root), names, partial(_draw, probed))]
    return []


def _folder(results_root: Path) -> Path:
    return Path(results_root) / "studies" / "mechanism"


def _draw(probed: Sequence[Group]) -> dict[str, bytes]:
    from nanocl.studies.mechanism.figures import draw  # here, because it loads matplotlib

    return draw(probed)
