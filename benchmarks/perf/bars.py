"""The figures of whole runs that have a bar: where they stand in a record, and the bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPORT = "report of the records"
RUN = "a run of split-digits"
AGAIN = "the same call again"
# figure, the keys that lead to it in the record of `suite.py`, and the most that it may be
_FIGURES: tuple[tuple[str, tuple[str | int, ...], float], ...] = (
    (
        "whole run / bare loop, Split MNIST, MLP 2x400",
        ("paths", "split-mnist, MLP 2x400", "nanocl", 4),
        1.10,
    ),
    ("whole run / bare loop, digits", ("paths", "split-digits, MLP", "nanocl", 4), 1.25),
    ("a small call / import torch", ("start", RUN, 1), 3.0),
    ("a second call that trains nothing, s", ("start", AGAIN, 0), 0.4),
    ("report of the records, s", ("start", REPORT, 0), 2.5),
    (
        "evaluation's share, 40 experiences",
        ("lengths", "permuted mnist, adamw", "40", "share of seen"),
        0.45,
    ),
    ("er, experience 40 / 2", ("steps", "permuted mnist, er", "growth"), 1.10),
    ("a-gem, experience 40 / 2", ("steps", "permuted mnist, a-gem", "growth"), 1.10),
    (
        "ewc without its arithmetic / adamw, digits",
        ("penalties", "split-digits, MLP", "ewc+adamw", "rest"),
        1.12,
    ),
    (
        "si without its arithmetic / adamw, digits",
        ("penalties", "split-digits, MLP", "si+adamw", "rest"),
        1.30,
    ),
)


def rows(record: Mapping[str, Any]) -> list[list[str]]:
    """For each figure its name, value and bar, and whether it reaches the bar."""
    made = []
    for name, keys, bar in _FIGURES:
        value = _at(record, keys)
        if value is None:
            made.append([name, "not measured", f"{bar:.2f}", "-"])
        else:
            made.append([name, f"{value:.2f}", f"{bar:.2f}", "yes" if value <= bar else "no"])
    return made


def _at(record: Any, keys: tuple[str | int, ...]) -> float | None:
    for key in keys:
        if isinstance(record, Mapping) and key not in record:
            return None
        record = record[key]
    return float(record)
