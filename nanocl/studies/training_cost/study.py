"""The study's functions, see `nanocl.studies.study`; it has no page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nanocl.records import RunResult
from nanocl.studies.claims import Chapter
from nanocl.studies.study import FigureSet
from nanocl.studies.training_cost.memory import memory_claims
from nanocl.studies.training_cost.time import time_claims


def claims(results: Sequence[RunResult], results_root: Path) -> list[Chapter]:
    """The claims on memory and time."""
    return [Chapter("Memory and time", [*memory_claims(results), *time_claims(results_root)])]


def pages(results: Sequence[RunResult], results_root: Path) -> dict[Path, str]:
    """No pages: the verdicts stand in `CLAIMS.md`."""
    return {}


def figures(results: Sequence[RunResult], results_root: Path) -> list[FigureSet]:
    """No figures."""
    return []
