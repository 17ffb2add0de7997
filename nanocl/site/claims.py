"""The claims with their verdicts, for the site."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanocl import studies
from nanocl.records import RunResult
from nanocl.studies.claims_page import numbers
from nanocl.studies.verdicts import judge


def judged(records: Sequence[RunResult], results_root: Path) -> list[tuple[str, list[Any]]]:
    """Title of each chapter to its claims, each with verdict and the numbers of every setting."""
    chapters = [
        chapter for study in studies.every() for chapter in study.claims(records, results_root)
    ]
    made = []
    for chapter, rows in zip(chapters, judge(chapters), strict=True):
        claims = []
        for row in rows:
            settings = [
                (one.setting.name, numbers(one, row.claim.quantity), one.state)
                for one in row.findings
                if one.mean is not None
            ]
            claims.append({"row": row, "settings": settings})
        made.append((chapter.title, claims))
    return made
