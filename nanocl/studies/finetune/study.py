"""The study's functions, see `nanocl.studies.study`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nanocl.records import RunResult
from nanocl.studies.claims import Chapter
from nanocl.studies.finetune.claims import RULE, part_claims, sweep_claims
from nanocl.studies.finetune.decomposition import CENTRAL, PARTS
from nanocl.studies.finetune.page import FIGURES, sweep_page
from nanocl.studies.finetune.points import Sweep, sweeps
from nanocl.studies.study import PAGE, FigureSet


def claims(results: Sequence[RunResult], results_root: Path) -> list[Chapter]:
    """The claims on finetuning, and the parts of NanoAdam's advantage."""
    measured = sweeps(results)
    links = [
        f"Sweeps, fronts and tables of {sweep.name}: [{sweep.title}](studies/{sweep.name}/{PAGE})."
        for sweep in measured
    ]
    rows = sweep_claims(measured)
    return [
        Chapter("Finetuning", rows, (RULE, *links), opens_page=bool(measured)),
        Chapter(
            "Where NanoAdam's advantage over AdamW comes from",
            part_claims(measured),
            (PARTS,),
            central=CENTRAL,
        ),
    ]


def pages(results: Sequence[RunResult], results_root: Path) -> dict[Path, str]:
    """A page for each sweep."""
    return {_folder(sweep, results_root) / PAGE: sweep_page(sweep) for sweep in sweeps(results)}


def figures(results: Sequence[RunResult], results_root: Path) -> list[FigureSet]:
    """The figures of each sweep."""
    names = [f"{name}.png" for name in FIGURES]
    return [
        FigureSet(_folder(sweep, results_root), names, partial(_draw, sweep))
        for sweep in sweeps(results)
    ]


def _folder(sweep: Sweep, results_root: Path) -> Path:
    return Path(results_root) / "studies" / sweep.name


def _draw(sweep: Sweep) -> dict[str, bytes]:
    from nanocl.studies.finetune.figures import draw  # here, because it loads matplotlib

    return draw(sweep)
