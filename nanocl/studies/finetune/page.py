"""A page for each finetuning protocol: fronts, comparison at equal new-task accuracy, learning rates, drift."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from nanocl.reporting.statistics import FEWEST_SEEDS, interval, mean
from nanocl.studies.finetune import matched
from nanocl.studies.finetune.points import Comparison, Point

FIGURES = ("fronts", "learning-rates", "drift", "change-by-magnitude")
REFERENCE = "adamw"
TARGETS = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
GENERATED = "Generated from the records by `python -m nanocl.report`; do not edit. "
_INTRODUCTION = (
    GENERATED
    + """
{title}. {measured} of {wanted} runs are measured.
The model knows the old task before it is finetuned on the new one: {before:.2f} % there. Means over the seeds with 95 %
intervals (Student's t, from 3 seeds on); accuracies in percent of the test data. No learning rate was chosen
beforehand: every arm is shown over its whole sweep, and its best place is read off the test data in the same way."""
)

_FIGURE_NOTE = """\
Bars are standard errors. The fronts leave out rates that another rate of the same arm beats on both tasks, and places
far below the best new-task accuracy; every point is in the last table. The change by magnitude is of all weights of the
backbone together, norms included, each arm at its best rate for the new task."""


def page(found: Comparison) -> str:
    """Markdown."""
    before = [
        p.before for seeds in found.arms.values() for points in seeds.values() for p in points
    ]
    parts = [
        f"# {found.name}",
        _INTRODUCTION.format(
            title=found.title[:1].upper() + found.title[1:],
            measured=found.measured,
            wanted=found.wanted,
            before=100 * mean(before),
        ),
    ]
    parts += [f"![{name}]({name}.png)" for name in FIGURES]
    parts += [_FIGURE_NOTE]
    parts += ["## Each arm at its best learning rate for the new task", _best(found)]
    if REFERENCE in found.arms:
        parts += [
            f"## Old-task accuracy at equal new-task accuracy\n\nThe new-task accuracies are shares of what "
            f"{REFERENCE} reaches at its best, seed by seed. An arm is read at the place of its sweep, lines "
            "between neighbouring learning rates included, that keeps most of the old task; `–`: not reached in "
            "every seed (in how many it was).",
            _at_targets(found, "old"),
            "## Drift of the backbone at equal new-task accuracy\n\nL2 distance from the start, at the same "
            "places.",
            _at_targets(found, "drift"),
            f"## Against {REFERENCE} at the accuracy that both reach\n\nMean over "
            f"{', '.join(f'{100 * level:g} %' for level in matched.LEVELS)} of the new-task accuracy that the "
            f"arm and {REFERENCE} both reach: difference in old-task accuracy, ratio of drifts, ratio of the "
            "largest learning rates, of those that both ran, within 2 points of the best.",
            _against(found),
        ]
    parts += ["## Every point of the sweep", _sweeps(found)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _best(found: Comparison) -> str:
    lines = [
        "| arm | learning rate | new task | old task | drift | mean drift of a tensor | tolerated rates |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, seeds in found.arms.items():
        tops = [
            max((p for p in points if p.new is not None), key=lambda p: p.new, default=None)
            for points in seeds.values()
        ]
        tops = [p for p in tops if p]
        rates = "/".join(f"{rate:g}" for rate in sorted({p.lr for p in tops}))
        cells = [
            _cell([100 * p.new for p in tops]),
            _cell([100 * p.old for p in tops]),
            _cell([p.drift for p in tops if p.drift is not None], "{:.3g}"),
            _cell([p.tensor_drift for p in tops if p.tensor_drift is not None], "{:.3g}"),
        ]
        lines.append(f"| {arm} | {rates} | {' | '.join(cells)} | {_tolerated(seeds)} |")
    return "\n".join(lines)


def _tolerated(seeds: matched.Seeds) -> str:
    """Learning rates whose mean new-task accuracy is within `TOLERANCE` of the best; an end of the sweep as ≤."""
    rates = sorted({p.lr for points in seeds.values() for p in points})
    means = {}
    for rate in rates:
        values = [
            [p.new for p in points if p.lr == rate and p.new is not None]
            for points in seeds.values()
        ]
        if values and all(values):
            means[rate] = mean([max(row) for row in values])
    good = [
        rate for rate, value in means.items() if value >= max(means.values()) - matched.TOLERANCE
    ]
    if not good:
        return "–"
    low, high = (
        f"{'≤ ' * (good[0] == rates[0])}{good[0]:g}",
        f"{'≥ ' * (good[-1] == rates[-1])}{good[-1]:g}",
    )
    return f"{low} to {high}" if good[0] < good[-1] else max(low, high, key=len)


def _at_targets(found: Comparison, what: str) -> str:
    lines = [
        "| arm | " + " | ".join(f"{100 * target:g} %" for target in TARGETS) + " |",
        "|---" * (len(TARGETS) + 1) + "|",
    ]
    reference = found.arms[REFERENCE]
    for arm, seeds in found.arms.items():
        shared, cells = sorted(seeds.keys() & reference.keys()), []
        for target in TARGETS:
            places = [
                matched.reading(seeds[seed], target * (matched.best(reference[seed]) or 2.0))
                for seed in shared
            ]
            if not places or None in places:
                reached = sum(place is not None for place in places)
                cells.append(f"– ({reached} of {len(places)})" if reached else "–")
            else:
                values = [100 * p.old if what == "old" else p.drift for p in places]
                cells.append(_cell(values, "{:.2f}" if what == "old" else "{:.3g}"))
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _against(found: Comparison) -> str:
    lines = [
        "| arm | old task, points | drift, ratio | largest rate, ratio | best new task, points |",
        "|---|---|---|---|---|",
    ]
    reference = found.arms[REFERENCE]
    for arm, seeds in found.arms.items():
        if arm != REFERENCE:
            cells = [
                _cell(matched.old_difference(seeds, reference), "{:+.2f}"),
                _ratio(matched.drift_ratio(seeds, reference)),
                _ratio(matched.rate_ratio(seeds, reference)),
                _cell(matched.new_difference(seeds, reference), "{:+.2f}"),
            ]
            lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _sweeps(found: Comparison) -> str:
    lines = [
        "| arm | learning rate | new task | old task | drift | seeds | diverged |",
        "|---" * 7 + "|",
    ]
    for arm, seeds in found.arms.items():
        points = [p for row in seeds.values() for p in row]
        for curve, rate in sorted({(p.curve, p.lr) for p in points}):
            same = [p for p in points if (p.curve, p.lr) == (curve, rate)]
            known: list[Point] = [p for p in same if p.new is not None]
            cells = [
                _cell([100 * p.new for p in known]),
                _cell([100 * p.old for p in known]),
                _cell([p.drift for p in known if p.drift is not None], "{:.3g}"),
            ]
            lines.append(
                f"| {arm} | {rate:g}{' ' * bool(curve)}{curve} | {' | '.join(cells)} | {len(same)} | "
                f"{len(same) - len(known) or ''} |"
            )
    return "\n".join(lines)


def _cell(values: Sequence[float], form: str = "{:.2f}") -> str:
    if not values:
        return "–"
    ends = ", ".join(map(form.format, interval(values))) if len(values) >= FEWEST_SEEDS else ""
    return form.format(mean(values)) + (f" [{ends}]" if ends else "")


def _ratio(logs: Sequence[float]) -> str:
    if not logs:
        return "–"
    ends = (
        ", ".join(f"{exp(end):.3g}" for end in interval(logs)) if len(logs) >= FEWEST_SEEDS else ""
    )
    return f"{exp(mean(logs)):.3g}" + (f" [{ends}]" if ends else "")
