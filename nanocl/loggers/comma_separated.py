"""Curves as a CSV file for each run, which `pandas.read_csv` reads without arguments."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from nanocl.loggers.kinds import Facts, Kind
from nanocl.records.curves import Point

FILE = "curves.csv"


class _Csv:
    def __init__(self, path: Path, facts: Facts) -> None:
        self._facts = [*facts.values()]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        if not self._file.tell():
            self._writer.writerow([*facts, "curve", "axis", "step", "value"])

    def write(self, points: Sequence[Point]) -> None:
        for point in points:
            self._writer.writerow([*self._facts, point.name, point.axis, point.step, point.value])
        self._file.flush()  # somebody may read it while the run goes on

    def close(self) -> None:
        self._file.close()


def kind(folder: Path) -> Kind:
    """The logger that writes into a folder."""

    def open_log(name: str, facts: Facts) -> _Csv:
        return _Csv(folder / name / FILE, facts)

    return Kind(
        open_log,
        "pandas.read_csv reads each",
        holds=lambda name, _: (folder / name / FILE).exists(),
        clear=lambda name, _: (folder / name / FILE).unlink(missing_ok=True),
    )
