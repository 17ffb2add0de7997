"""The claims of Theorem 2.2, from the records of the conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nanocl.reporting import statistics
from nanocl.studies.claims import PAPER, Claim, Quantity, Setting
from nanocl.studies.teacher_student.settings import condition_label
from nanocl.studies.teacher_student.storage import Record

FAMILY = "theorem"
TOLERANCE = 0.1  # of a slope
_REACHES = "slope of log distance over log {} - " + f"{1 - TOLERANCE:g}"


def theorem_claims(conditions: Sequence[Record]) -> list[Claim]:
    """The claims on the limit and on the time of gradient flow."""
    built = [entry for entry in conditions if entry["condition"]["init_scale"] is None]
    return [
        Claim(
            "gradient flow of one small neuron of the right sign ends within C epsilon of the new "
            "neuron, epsilon the larger |a|^2 of the smallest neuron of each sign",
            f"{PAPER}, Theorem 2.2 (E.1)",
            _ran(conditions),
            Quantity(_REACHES.format("epsilon")),
            _settings(conditions, "epsilon", "distance", _above_one),
            family=FAMILY,
        ),
        Claim(
            "the same with the neuron's size |a| ||w|| in the place of epsilon",
            f"ours; {PAPER} relates the two by balancedness",
            _ran(conditions),
            Quantity(_REACHES.format("|a| ||w||")),
            _settings(conditions, "size", "distance", _above_one),
            family=FAMILY,
        ),
        Claim(
            "gradient flow takes a time proportional to 1 / epsilon to learn the new neuron",
            "ours: the theorem makes no statement on time, and a frozen a slows the flow by a^2",
            _ran(built),
            Quantity(f"{TOLERANCE:g} - |slope of log time over log epsilon + 1|"),
            _settings(built, "epsilon", "time", _near_minus_one),
            family=FAMILY,
        ),
    ]


def slopes(entry: Record, x: str, y: str) -> dict[int, float]:
    """Seed to its slope of log y over log x.

    A seed with several networks has a slope of its own. Where each seed has one, a line is fitted
    to all, and a seed's value is its pseudo-value of the jackknife (Tukey, 1958): n times the slope
    of all seeds minus n - 1 times that of the others.
    """
    rows = {}
    columns = zip(entry["values"][x], entry["values"][y], strict=True)
    for seed, (xs, ys) in zip(entry["condition"]["seeds"], columns, strict=True):
        pairs = zip(xs, ys, strict=True)
        rows[seed] = [(math.log(a), math.log(b)) for a, b in pairs if b is not None]
    if entry["condition"]["init_scale"] is None:
        return {seed: _slope(row) for seed, row in rows.items() if len(row) > 2}
    return _jackknifed({seed: row[0] for seed, row in rows.items() if row})


def _settings(
    records: Sequence[Record],
    x: str,
    y: str,
    signed: Callable[[float], float],
) -> list[Setting]:
    """The signed quantity of each condition, made of its slopes."""
    settings = []
    for entry in records:
        values = {seed: signed(slope) for seed, slope in slopes(entry, x, y).items()}
        settings.append(Setting(condition_label(entry["condition"]), values))
    return settings


def _slope(points: Sequence[tuple[float, float]]) -> float:
    slope, _ = statistics.line(*zip(*points, strict=True))
    return slope


def _jackknifed(points: dict[int, tuple[float, float]]) -> dict[int, float]:
    """Pseudo-value of the slope for each seed; empty with too few."""
    n = len(points)
    if n <= statistics.FEWEST_SEEDS:
        return {}
    whole = _slope(list(points.values()))
    values = {}
    for seed in points:
        others = [point for other, point in points.items() if other != seed]
        values[seed] = n * whole - (n - 1) * _slope(others)
    return values


def _ran(records: Sequence[Record]) -> str:
    seeds = sorted({str(len(entry["condition"]["seeds"])) for entry in records})
    return f"{len(records)} conditions, {'/'.join(seeds)} seeds"


def _above_one(slope: float) -> float:
    return slope - (1 - TOLERANCE)


def _near_minus_one(slope: float) -> float:
    return TOLERANCE - abs(slope + 1)
