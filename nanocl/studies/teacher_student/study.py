"""The study's functions, see `nanocl.studies.study`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nanocl.records import RunResult, files, hash_of
from nanocl.records.store import unwritable
from nanocl.studies.claims import Chapter
from nanocl.studies.study import PAGE, FigureSet, Tell
from nanocl.studies.teacher_student import storage
from nanocl.studies.teacher_student.claims import CENTRAL, teacher_claims
from nanocl.studies.teacher_student.page import teacher_page, terminal_text
from nanocl.studies.teacher_student.pictured import Pictured, pictured
from nanocl.studies.teacher_student.settings import Spec, plan
from nanocl.studies.teacher_student.storage import Record


def claims(results: Sequence[RunResult], results_root: Path) -> list[Chapter]:
    """The claims on teachers and students."""
    rows = teacher_claims(*_measured(results_root))
    return [Chapter("Teachers and students", rows, opens_page=bool(rows), central=CENTRAL)]


def pages(results: Sequence[RunResult], results_root: Path) -> dict[Path, str]:
    """The page of the plan of tier `cpu`."""
    settings, conditions = _measured(results_root)
    if not settings and not conditions:
        return {}
    return {storage.folder(results_root) / PAGE: teacher_page(settings, conditions)}


def figures(results: Sequence[RunResult], results_root: Path) -> list[FigureSet]:
    """The figures of that page."""
    return [_figures(pictured(*_measured(results_root)), storage.folder(results_root))]


def run(
    results_root: Path,
    workers: int = 2,
    tell: Tell = lambda share, what: None,
    *,
    tier: str = "cpu",
    seeds: Sequence[int] = (),
    force: bool = False,
) -> str:
    """Measure what has no record yet and write page and figures; returns the terminal's text."""
    settings, conditions = plan(tier, seeds)
    specs: list[Spec] = [*settings, *conditions]
    todo = [spec for spec in specs if force or storage.find(spec, results_root) is None]
    if todo:
        # here, because it loads torch and the compiler
        from nanocl.studies.teacher_student.training import measure

        measure(todo, results_root, workers, tell)
    records = storage.load(settings, results_root), storage.load(conditions, results_root)
    target = storage.folder(results_root)
    if tier != "cpu" or seeds:
        target /= _name(tier, settings[0].seeds)
    drawn = _write(*records, target, results_root)
    lines = [
        terminal_text(records[0], teacher_claims(*records)),
        "",
        *(f"figure {path}" for path in drawn),
        f"{len(records[0])} settings and {len(records[1])} conditions measured in "
        f"{storage.folder(results_root)}; every table in {target / PAGE}",
    ]
    return "\n".join(lines)


def listing(
    results_root: Path,
    *,
    tier: str = "cpu",
    seeds: Sequence[int] = (),
) -> list[tuple[str, str, bool]]:
    """Digest, description and whether it is measured, of each setting and condition."""
    rows = []
    for spec in _specs(tier, seeds):
        measured = storage.find(spec, results_root) is not None
        rows.append((spec.digest, f"{spec.words}, {len(spec.seeds)} seeds", measured))
    return rows


def damaged(results_root: Path, *, tier: str = "cpu", seeds: Sequence[int] = ()) -> list[Path]:
    """Records that exist and cannot be read; `run` measures them again."""
    specs = [spec for spec in _specs(tier, seeds) if storage.find(spec, results_root) is None]
    paths = [storage.path_of(spec, results_root) for spec in specs]
    return [path for path in paths if path.exists()]


def _specs(tier: str, seeds: Sequence[int]) -> list[Spec]:
    settings, conditions = plan(tier, seeds)
    return [*settings, *conditions]


def _measured(results_root: Path) -> tuple[list[Record], list[Record]]:
    """The records of settings and of conditions of the plan of tier `cpu`."""
    settings, conditions = plan()
    return storage.load(settings, results_root), storage.load(conditions, results_root)


def _write(
    settings: Sequence[Record],
    conditions: Sequence[Record],
    target: Path,
    results_root: Path,
) -> list[Path]:
    """Write page and figures; returns the paths of the figures."""
    contents = _figures(pictured(settings, conditions), target).draw()
    try:
        files.write(target / PAGE, teacher_page(settings, conditions))
        return [files.write(target / name, content) for name, content in contents.items()]
    except OSError as error:
        raise unwritable(results_root, error) from error


def _figures(shown: Pictured, folder: Path) -> FigureSet:
    return FigureSet(folder, [f"{name}.png" for name in shown.names()], partial(_draw, shown))


def _draw(shown: Pictured) -> dict[str, bytes]:
    from nanocl.studies.teacher_student.figures import draw  # here, because it loads matplotlib

    return draw(shown)


def _name(tier: str, seeds: Sequence[int]) -> str:
    """The folder of a plan other than the default: `smoke-3-seeds`."""
    usual = list(seeds) == list(range(len(seeds)))
    return f"{tier}-{len(seeds)}-seeds" + ("" if usual else f"-{hash_of(list(seeds), 6)}")
