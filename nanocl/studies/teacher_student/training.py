"""Measure the settings and conditions of the study and store their records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from nanocl.studies.study import Tell
from nanocl.studies.teacher_student import engine, storage, theorem
from nanocl.studies.teacher_student.settings import Setting, Spec
from nanocl.training.measure import environment


def measure(
    specs: Sequence[Spec],
    results_root: Path,
    workers: int,
    tell: Tell,
) -> None:
    """Train and store one after the other; the networks of each are trained in `workers` threads.

    Raises:
        UserError: The folder cannot be written.
    """
    bench = engine.Bench(workers)
    where = replace(environment("cpu"), threads=1)  # each network is trained by one thread
    for done, spec in enumerate(specs):
        tell_share = partial(_tell_part, tell, spec.words, done, len(specs))
        tell_share(0.0)
        if isinstance(spec, Setting):
            storage.save(spec, bench.setting(spec, tell_share), where, results_root)
        else:
            storage.save(spec, theorem.compute(spec, workers), where, results_root)
    tell(1.0, "done")


def _tell_part(
    tell: Tell,
    words: str,
    done: int,
    count: int,
    share: float,
) -> None:
    tell((done + share) / count, words)
