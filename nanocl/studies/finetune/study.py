"""The study's functions, see `nanocl.studies.study`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nanocl.records import RunResult
from nanocl.studies.claims import Chapter
from nanocl.studies.finetune import advantages
from nanocl.studies.finetune.advantages import Advantage
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
    if advantages.advantages(measured):
        where = f"studies/{advantages.FOLDER}/{PAGE}"
        links.append(f"All arms of all sweeps beside each other: [{advantages.TITLE}]({where}).")
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
    """A page for each sweep, and one that sets their arms beside each other."""
    measured = sweeps(results)
    together = advantages.page(measured)
    first = {_together(results_root) / PAGE: together} if together else {}
    return first | {_folder(sweep, results_root) / PAGE: sweep_page(sweep) for sweep in measured}


def figures(results: Sequence[RunResult], results_root: Path) -> list[FigureSet]:
    """The figures of each page."""
    names = [f"{name}.png" for name in FIGURES]
    measured = sweeps(results)
    sets = [
        FigureSet(_folder(sweep, results_root), names, partial(_draw, sweep)) for sweep in measured
    ]
    rows = advantages.advantages(measured)
    if rows:
        draw = partial(_draw_together, rows, advantages.names(rows, measured))
        sets.append(FigureSet(_together(results_root), [f"{advantages.FIGURE}.png"], draw))
    return sets


def _together(results_root: Path) -> Path:
    return Path(results_root) / "studies" / advantages.FOLDER


def _folder(sweep: Sweep, results_root: Path) -> Path:
    return Path(results_root) / "studies" / sweep.name


def _draw(sweep: Sweep) -> dict[str, bytes]:
    from nanocl.studies.finetune.figures import draw  # here, because it loads matplotlib

    return draw(sweep)


def _draw_together(rows: Sequence[Advantage], settings: Sequence[str]) -> dict[str, bytes]:
    from nanocl.studies.finetune.overview import draw  # here, because it loads matplotlib

    return draw(rows, settings)
