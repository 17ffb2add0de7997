"""The teacher-student study: do the claims about small weights hold on the smallest network that can forget?

`run` trains what is not measured yet and draws everything from the records. The streams, models and
strategies of an ordinary run give the same numbers seed by seed: this is another engine, not
another experiment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from nanocl.records import hash_of
from nanocl.studies.teacher_student.settings import (
    NAME,
    Condition,
    Setting,
    condition_label,
    label,
    plan,
)
from nanocl.studies.teacher_student.storage import find, folder, load, path_of, record, save, write

__all__ = ["NAME", "damaged", "listing", "run"]


def run(
    root: Path,
    workers: int = 2,
    tell: Callable[[float, str], None] = lambda share, what: None,
    *,
    tier: str = "cpu",
    seeds: Sequence[int] = (),
    force: bool = False,
) -> str:
    """Measure the settings that have no record, then write figures and page; returns the text for the terminal.

    Args:
        root: The results folder.
        workers: Threads that train.
        tell: Called with the share of the work that is done, in [0, 1], and what is under way.
        tier: `smoke`, `cpu` or `paper`.
        seeds: Instead of the protocol's.
        force: Measure again what has a record.

    Raises:
        UserError: An unknown tier, or a folder that cannot be written.
    """
    from nanocl.studies.teacher_student import (  # here: a listing of settings needs none of it
        claims,
        page,
    )

    settings, conditions = plan(tier, seeds)
    _measure(
        [spec for spec in (*settings, *conditions) if force or find(spec, root) is None],
        root,
        workers,
        tell,
    )
    found = load(settings, root), load(conditions, root)
    judged = claims.claims(*found)
    target = (
        folder(root)
        if tier == "cpu" and not seeds
        else folder(root) / _name(tier, settings[0].seeds)
    )
    figures = _figures(*found, target)
    write(target / "README.md", page.page(*found, judged, figures).encode())
    drawn = "\n".join(f"figure {target / name}" for name in figures)
    counts = f"{len(found[0])} settings and {len(found[1])} conditions measured in {folder(root)}"
    return (
        f"{page.text(found[0], judged)}\n\n{drawn}\n{counts}; every table in {target / 'README.md'}"
    )


def listing(
    root: Path, *, tier: str = "cpu", seeds: Sequence[int] = ()
) -> list[tuple[str, str, bool]]:
    """Digest, words and whether it is measured, of each setting and condition of the plan."""
    return [
        (spec.digest, f"{words(spec)}, {len(spec.seeds)} seeds", find(spec, root) is not None)
        for part in plan(tier, seeds)
        for spec in part
    ]


def damaged(root: Path, *, tier: str = "cpu", seeds: Sequence[int] = ()) -> list[Path]:
    """Records of the plan that are there and cannot be trusted; `run` measures them again."""
    return [
        path_of(spec, root)
        for part in plan(tier, seeds)
        for spec in part
        if find(spec, root) is None and path_of(spec, root).exists()
    ]


def words(spec: Setting | Condition) -> str:
    """What a setting or condition is, for people."""
    return (
        label(asdict(spec))
        if isinstance(spec, Setting)
        else f"theorem, {condition_label(asdict(spec))}"
    )


def _name(tier: str, seeds: Sequence[int]) -> str:
    usual = list(seeds) == list(range(len(seeds)))
    return f"{tier}-{len(seeds)}-seeds" + ("" if usual else f"-{hash_of(list(seeds), 6)}")


def _measure(
    specs: Sequence[object], root: Path, workers: int, tell: Callable[[float, str], None]
) -> None:
    if not specs:
        return
    from nanocl.studies.teacher_student import (  # here, because they load torch and the compiler
        engine,
        theorem,
    )
    from nanocl.training import measure

    bench = engine.Bench(workers)
    environment = replace(
        measure.environment("cpu"), threads=1
    )  # one network is trained by one thread
    for done, spec in enumerate(specs):
        if isinstance(spec, Setting):
            values = bench.setting(
                spec,
                lambda share, done=done, spec=spec: tell((done + share) / len(specs), words(spec)),
            )
        else:
            tell(done / len(specs), words(spec))
            values = theorem.compute(spec, workers)
        save(spec, record(spec, values, environment), root)
    tell(1.0, "done")


def _figures(settings: Sequence, conditions: Sequence, target: Path) -> list[str]:
    from nanocl.studies.teacher_student import figures

    return [
        write(target / name, content).name
        for name, content in figures.draw(settings, conditions).items()
    ]
