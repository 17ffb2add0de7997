"""The study as text: a table of the paper's setting for the terminal, a page with every setting and the verdicts."""

from __future__ import annotations

import statistics as plain
from collections.abc import Sequence

from nanocl.studies.claims import Claim, markdown
from nanocl.studies.teacher_student.claims import absolute
from nanocl.studies.teacher_student.settings import condition_label, label
from nanocl.studies.teacher_student.storage import Record

COLUMNS = {
    "L_B": "loss_b",
    "A_keep": "keep_a",
    "A_oldhead": "oldhead_a",
    "drift": "drift",
    "drift kept": "drift_kept",
    "k preserved": "preserved",
    "cosine": "cosine",
    "match": "match",
    "sign flips": "flips",
    "steps": "steps",
}
PUBLISHED = {
    1: {
        "nano": ("0.0094 ± 0.012", "0.027 ± 0.0040"),
        "gradient": ("0.017 ± 0.015", "0.057 ± 0.032"),
    },
    2: {
        "nano": ("0.038 ± 0.040", "0.042 ± 0.0077"),
        "gradient": ("0.063 ± 0.033", "0.097 ± 0.071"),
    },
}
_LEGEND = """\
Arms: gd and adam train everything; nano, large, gradient and random train the smallest, largest, steepest and random
entries of each layer by gradient descent; nano-neuron trains the smallest whole neurons; theorem trains, without its
output weight, the smallest neuron of the new neuron's sign. The paper's setting is one new neuron in the plane, 20
hidden neurons of initial deviation 0.22 and 10000 full-batch steps; the mask share of 10 %, a new selection at every
step, 500 samples and the learning rate of 0.125 on the mean squared error are ours where the paper gives none that
converges. Every other setting changes what its title says.

Median and quartiles over the seeds. L_B: test error on B (mean square). A_keep: error on A of the neurons that made up
95 % of the pretrained network. A_oldhead: error on A with the pretrained output weights put back; with own heads it is
the error on A. drift: mean squared change of a parameter, of all and of the kept neurons. k preserved: the k largest
neurons are unchanged to 1e-6. cosine: of the kept neurons |a| w before and after. match: best cosine of a new teacher
neuron with a student neuron of its sign. steps: updates until the training error on B is 1 % of the new neurons' mean
square, and how many seeds got there. A seed that diverged is left out and counted.
"""


def text(settings: Sequence[Record], claims: Sequence[Claim]) -> str:
    """For the terminal: the first setting, and a verdict for each claim."""
    lines = []
    if settings:
        lines += [
            f"{label(settings[0]['setting'])}, {len(settings[0]['setting']['seeds'])} seeds, medians:"
        ]
        rows = [["arm", *list(COLUMNS)[:4], "k preserved"]]
        for arm in _arms(settings[0]):
            rows.append([arm, *(_median(settings[0], arm, COLUMNS[name]) for name in rows[0][1:])])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
    for claim in claims:
        lines += ["", f"{claim.claim} ({claim.source.split(': ')[0]})", f"  {claim.verdict}"]
    return "\n".join(lines)


def page(
    settings: Sequence[Record],
    conditions: Sequence[Record],
    claims: Sequence[Claim],
    figures: Sequence[str],
) -> str:
    """Markdown: verdicts, figures, every setting."""
    parts = [
        "# Teacher-student study",
        "Generated from the records in this folder by `python -m nanocl.run --stream "
        "teacher-student`; do not edit.",
        "## Claims",
        markdown(claims),
    ]
    parts += ["## Published tables", _published(settings)]
    parts += ["## Figures", *(f"![{name}]({name})" for name in figures)]
    parts += ["## Every setting", _LEGEND]
    for entry in settings:
        parts += [
            f"### {label(entry['setting'])[:1].upper()}{label(entry['setting'])[1:]}",
            _table(entry),
        ]
    parts += ["## Theorem 2.2", _conditions(conditions)]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _arms(entry: Record) -> list[str]:
    return [name for name in entry["values"] if name != "before"]


def _table(entry: Record) -> str:
    lines = [f"| arm | {' | '.join(COLUMNS)} | diverged |", "|---|" + "---|" * (len(COLUMNS) + 1)]
    for arm in _arms(entry):
        cells = [_cell(entry, arm, measure) for measure in COLUMNS.values()]
        gone = sum(value is None for value in entry["values"][arm]["loss_b"])
        lines.append(f"| {arm} | {' | '.join(cells)} | {gone or ''} |")
    return "\n".join(lines)


def _cell(entry: Record, arm: str, measure: str) -> str:
    values = [value for value in entry["values"][arm][measure] if value is not None]
    if len(values) < 2:
        return "–" if measure != "steps" else f"– ({len(values)})"
    low, middle, high = plain.quantiles(values, n=4, method="inclusive")
    count = f" ({len(values)})" if measure == "steps" else ""
    return f"{middle:.3g} [{low:.3g}, {high:.3g}]{count}"


def _median(entry: Record, arm: str, measure: str) -> str:
    values = [value for value in entry["values"][arm][measure] if value is not None]
    return f"{plain.median(values):.3g}" if values else "–"


def _published(settings: Sequence[Record]) -> str:
    """Tables 8 and 9 as the paper prints them, mean and standard deviation, beside every setting like theirs."""
    lines = ["| table | arm | setting | loss | distance | diverged |", "|---|---|---|---|---|---|"]
    for extra, arms in PUBLISHED.items():
        for arm, (loss, distance) in arms.items():
            lines.append(f"| {7 + extra} | {arm} | *as published* | {loss} | {distance} | |")
            for entry in settings:
                setting = entry["setting"]
                kind = [setting[name] for name in ("extra", "dimension", "heads", "angle")]
                if kind == [extra, 2, "shared", None]:
                    ours = [absolute(entry, arm, measure) for measure in ("loss_b", "drift")]
                    cells = [
                        "{:.2g} ± {:.2g}".format(*value[:2]) if value else "–" for value in ours
                    ]
                    gone = sum(value is None for value in entry["values"][arm]["loss_b"])
                    lines.append(
                        f"| {7 + extra} | {arm} | {label(setting)} | {' | '.join(cells)} | {gone or ''} |"
                    )
    return "\n".join(lines)


def _conditions(conditions: Sequence[Record]) -> str:
    lines = [
        "| networks | epsilon | distance of the limit | time until learned | learned |",
        "|---|---|---|---|---|",
    ]
    for entry in conditions:
        values = entry["values"]
        for place in range(len(values["epsilon"][0])):
            columns = {
                name: [row[place] for row in values[name] if row[place] is not None]
                for name in ("epsilon", "distance", "time")
            }
            shown = [
                f"{plain.median(column):.3g}" if column else "–" for column in columns.values()
            ]
            lines.append(
                f"| {condition_label(entry['condition'])} | {' | '.join(shown)} | "
                f"{len(columns['time'])} of {len(values['epsilon'])} |"
            )
    return "\n".join(lines)
