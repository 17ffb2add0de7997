"""What the study says about Fig. 7, Tables 8 and 9 and Theorem 2.2: from records to rows, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nanocl.reporting import statistics
from nanocl.studies.claims import AGAINST, FOR, OPEN, Claim, Finding, joined, judged, ratio
from nanocl.studies.teacher_student.settings import condition_label, label, plan
from nanocl.studies.teacher_student.storage import Record, load

PAPER = "Zhou et al., 2025, arXiv:2506.21374"
TOLERANCE = 0.1
FLOORS = {"drift_kept": 1e-12}  # the square of the change that counts as none
_NAMES = {
    "loss_b": "L_B",
    "keep_a": "A_keep",
    "oldhead_a": "A_oldhead",
    "drift": "drift",
    "drift_kept": "drift of kept neurons",
}
_PAIRED = (
    "a setting meets it if every ratio is below 1 by the paired sign-flip test over seeds (p < 0.05, Holm over "
    "the settings); `not higher` fails only where it is significantly above 1"
)


def rows(root: Path) -> list[Claim]:
    """The claims judged from the records of the plan of tier `cpu` in a results folder; none without records."""
    settings, conditions = plan()
    return claims(load(settings, root), load(conditions, root))


def claims(settings: Sequence[Record], conditions: Sequence[Record]) -> list[Claim]:
    """The claims judged from records of settings and of conditions."""
    one, two = (
        [
            r
            for r in settings
            if r["setting"]["heads"] == "shared" and r["setting"]["extra"] == extra
        ]
        for extra in (1, 2)
    )
    own = [r for r in settings if r["setting"]["heads"] == "own"]
    tables = (
        "with the smallest weights the loss on the new task is not higher and the parameters move less than with "
        "the largest gradients",
        [("loss_b", "gradient", "not higher"), ("drift", "gradient", "lower")],
    )
    found = [
        _claim(
            "updating the smallest weights keeps the neurons that were learned, updating those with the largest "
            "gradients does not",
            f"{PAPER}, Fig. 7",
            two + one,
            [
                ("keep_a", "gradient", "lower"),
                ("keep_a", "gd", "lower"),
                ("drift_kept", "gradient", "lower"),
            ],
        ),
        _claim(
            tables[0],
            f"{PAPER}, Table 8 (one new neuron): loss 0.0094 against 0.017, distance 0.027 against 0.057",
            one,
            tables[1],
        ),
        _claim(
            tables[0],
            f"{PAPER}, Table 9 (two new neurons): loss 0.038 against 0.063, distance 0.042 against 0.097",
            two,
            tables[1],
        ),
        _claim(
            "with a head for each task, updating the smallest weights forgets less and learns as well",
            f"{PAPER}, Table 4, here on teachers",
            own,
            [
                ("oldhead_a", "gd", "lower"),
                ("oldhead_a", "gradient", "lower"),
                ("loss_b", "gd", "not higher"),
            ],
        ),
        _order(one + two),
    ]
    return [claim for claim in (*found, *_theorem(conditions)) if claim.findings]


def slope(entry: Record, x: str, y: str) -> Finding:
    """Slope of log y over log x with its 95 % interval, open.

    A seed with several networks has a slope of its own, and the interval is that of their mean;
    else one line goes through all seeds, and the interval is that of its slope.
    """
    name = f"slope of log {y} over log {x}"
    rows = [
        [(math.log(a), math.log(b)) for a, b in zip(first, second, strict=True) if b is not None]
        for first, second in zip(entry["values"][x], entry["values"][y], strict=True)
    ]
    if entry["condition"]["init_scale"] is not None:
        return _line(name, [point for row in rows for point in row])
    found = [_line(name, row).effect for row in rows if len(row) > 2]
    if len(found) < statistics.FEWEST_SEEDS:
        return Finding(name, None, None, None, len(found))
    return Finding(name, statistics.mean(found), statistics.interval(found), None, len(found))


def _line(name: str, points: Sequence[tuple[float, float]]) -> Finding:
    """Least squares; the interval is Student's."""
    from scipy.stats import linregress, t

    if len(points) < 3:
        return Finding(name, None, None, None, len(points))
    line = linregress(*zip(*points, strict=True))
    middle, half = (
        float(line.slope),
        float(t.ppf(1 - statistics.LEVEL / 2, len(points) - 2) * line.stderr),
    )
    return Finding(name, middle, (middle - half, middle + half), None, len(points))


def _claim(
    text: str, source: str, records: Sequence[Record], wanted: Sequence[tuple[str, str, str]]
) -> Claim:
    columns = [
        judged({label(r["setting"]): _compare(r, measure, "nano", rival) for r in records}, how)
        for measure, rival, how in wanted
    ]
    how = ", ".join(f"{_NAMES[measure]} nano / {rival} {want}" for measure, rival, want in wanted)
    return Claim(text, source, _ran(records), f"{how}: {_PAIRED}", joined(*columns))


def _order(records: Sequence[Record]) -> Claim:
    pairs = (("nano", "random"), ("random", "large"))
    columns = [
        judged({label(r["setting"]): _compare(r, measure, *pair) for r in records}, how)
        for pair in pairs
        for measure, how in (("keep_a", "lower"), ("loss_b", "not higher"))
    ]
    how = ", ".join(f"A_keep {a} / {b} lower, L_B {a} / {b} not higher" for a, b in pairs)
    return Claim(
        "small beats random beats large: less forgetting, and no less learning",
        f"{PAPER}, section 5 (ablation of the mask), here on teachers",
        _ran(records),
        f"{how}: {_PAIRED}",
        joined(*columns),
    )


def _compare(entry: Record, measure: str, first: str, second: str) -> Finding:
    seeds, values = entry["setting"]["seeds"], entry["values"]
    sides = (
        {seed: values[arm][measure][place] for place, seed in enumerate(seeds)}
        for arm in (first, second)
    )
    return ratio(f"{_NAMES[measure]} {first} / {second}", *sides, floor=FLOORS.get(measure, 0.0))


def _ran(records: Sequence[Record]) -> str:
    seeds = {len(r["setting"]["seeds"]) for r in records}
    return (
        f"{len(records)} settings, {'/'.join(map(str, sorted(seeds)))} seeds, full batch"
        if records
        else "nothing"
    )


def _theorem(records: Sequence[Record]) -> list[Claim]:
    source = f"{PAPER}, Theorem 2.2 (E.1)"
    reaches = (
        f"a setting meets it if the 95 % interval of the slope of log distance over log {{}} lies above 0 and "
        f"reaches {1 - TOLERANCE:g}"
    )
    return [
        _slope_claim(
            "gradient flow of one small neuron of the right sign ends within C epsilon of the new neuron, "
            "epsilon the larger |a|^2 of the smallest neuron of each sign",
            source,
            records,
            "epsilon",
            "distance",
            reaches.format("epsilon"),
            _at_least_one,
        ),
        _slope_claim(
            "the same with the neuron's size |a| ||w|| in the place of epsilon",
            f"ours; {PAPER} joins the two by balancedness",
            records,
            "size",
            "distance",
            reaches.format("|a| ||w||"),
            _at_least_one,
        ),
        _slope_claim(
            "gradient flow takes a time proportional to 1 / epsilon to learn the new neuron",
            "ours: the theorem is silent on time, and a frozen a slows the flow by a^2",
            [r for r in records if r["condition"]["init_scale"] is None],
            "epsilon",
            "time",
            f"a setting meets it if the 95 % interval of the slope of log time over log epsilon lies within "
            f"{TOLERANCE:g} of -1",
            _near_minus_one,
        ),
    ]


def _slope_claim(
    text: str,
    source: str,
    records: Sequence[Record],
    x: str,
    y: str,
    rule: str,
    judge: Callable[[float, float], str],
) -> Claim:
    found = {}
    for entry in records:
        finding = slope(entry, x, y)
        found[condition_label(entry["condition"])] = (
            replace(finding, state=judge(*finding.interval) if finding.interval else OPEN),
        )
    seeds = "/".join(sorted({str(len(r["condition"]["seeds"])) for r in records}))
    return Claim(text, source, f"{len(records)} conditions, {seeds} seeds", rule, found)


def _at_least_one(low: float, high: float) -> str:
    if high < 1 - TOLERANCE:
        return AGAINST
    return FOR if low > 0 else OPEN


def _near_minus_one(low: float, high: float) -> str:
    if abs(low + 1) <= TOLERANCE and abs(high + 1) <= TOLERANCE:
        return FOR
    return AGAINST if high < -1 - TOLERANCE or low > -1 + TOLERANCE else OPEN


def absolute(entry: Record, arm: str, measure: str) -> tuple[float, float, int] | None:
    """Mean, standard deviation and number of the seeds that did not diverge, as the paper's tables print them."""
    values: list[Any] = [value for value in entry["values"][arm][measure] if value is not None]
    if len(values) < 2:
        return None
    return statistics.mean(values), statistics.deviation(values) or 0.0, len(values)
