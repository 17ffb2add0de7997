"""The claims of Theorem 2.2, judged from the records of the conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from nanocl.reporting import statistics
from nanocl.studies.claims import AGAINST, FOR, OPEN, PAPER, Claim, Finding
from nanocl.studies.teacher_student.settings import condition_label
from nanocl.studies.teacher_student.storage import Record

TOLERANCE = 0.1  # of a slope
_REACHES = (
    "a setting meets it if the 95 % interval of the slope of log distance over log {} lies above 0 "
    f"and reaches {1 - TOLERANCE:g}"
)


def theorem_claims(conditions: Sequence[Record]) -> list[Claim]:
    """The claims on the limit and on the time of gradient flow."""
    built = [entry for entry in conditions if entry["condition"]["init_scale"] is None]
    return [
        Claim(
            "gradient flow of one small neuron of the right sign ends within C epsilon of the new "
            "neuron, epsilon the larger |a|^2 of the smallest neuron of each sign",
            f"{PAPER}, Theorem 2.2 (E.1)",
            _ran(conditions),
            _REACHES.format("epsilon"),
            _slopes(conditions, "epsilon", "distance", _at_least_one),
        ),
        Claim(
            "the same with the neuron's size |a| ||w|| in the place of epsilon",
            f"ours; {PAPER} relates the two by balancedness",
            _ran(conditions),
            _REACHES.format("|a| ||w||"),
            _slopes(conditions, "size", "distance", _at_least_one),
        ),
        Claim(
            "gradient flow takes a time proportional to 1 / epsilon to learn the new neuron",
            "ours: the theorem makes no statement on time, and a frozen a slows the flow by a^2",
            _ran(built),
            "a setting meets it if the 95 % interval of the slope of log time over log epsilon "
            f"lies within {TOLERANCE:g} of -1",
            _slopes(built, "epsilon", "time", _near_minus_one),
        ),
    ]


def slope(entry: Record, x: str, y: str) -> Finding:
    """Slope of log y over log x with its 95 % interval.

    A seed with several networks has a slope of its own, and the interval is that of their mean.
    Otherwise one line is fitted to all seeds, and the interval is that of its slope.
    """
    name = f"slope of log {y} over log {x}"
    rows = []
    for xs, ys in zip(entry["values"][x], entry["values"][y], strict=True):
        pairs = zip(xs, ys, strict=True)
        rows.append([(math.log(a), math.log(b)) for a, b in pairs if b is not None])
    if entry["condition"]["init_scale"] is not None:
        return _line(name, [point for row in rows for point in row])
    lines = [_line(name, row).effect for row in rows if len(row) > 2]
    slopes = [slope for slope in lines if slope is not None]
    if len(slopes) < statistics.FEWEST_SEEDS:
        return Finding(name, None, None, None, len(slopes))
    return Finding(name, statistics.mean(slopes), statistics.interval(slopes), None, len(slopes))


def _slopes(
    records: Sequence[Record],
    x: str,
    y: str,
    state: Callable[[float, float], str],
) -> dict[str, tuple[Finding, ...]]:
    """Condition to its slope, with the state by the ends of its interval."""
    findings: dict[str, tuple[Finding, ...]] = {}
    for entry in records:
        finding = slope(entry, x, y)
        judged = state(*finding.interval) if finding.interval else OPEN
        findings[condition_label(entry["condition"])] = (replace(finding, state=judged),)
    return findings


def _line(name: str, points: Sequence[tuple[float, float]]) -> Finding:
    """A least-squares line; the interval of its slope is Student's."""
    if len(points) < 3:
        return Finding(name, None, None, None, len(points))
    middle, half = statistics.line(*zip(*points, strict=True))
    return Finding(name, middle, (middle - half, middle + half), None, len(points))


def _ran(records: Sequence[Record]) -> str:
    seeds = sorted({str(len(entry["condition"]["seeds"])) for entry in records})
    return f"{len(records)} conditions, {'/'.join(seeds)} seeds"


def _at_least_one(low: float, high: float) -> str:
    if high < 1 - TOLERANCE:
        return AGAINST
    return FOR if low > 0 else OPEN


def _near_minus_one(low: float, high: float) -> str:
    if abs(low + 1) <= TOLERANCE and abs(high + 1) <= TOLERANCE:
        return FOR
    if high < -1 - TOLERANCE or low > -1 + TOLERANCE:
        return AGAINST
    return OPEN
