"""The study as text: a short table for the terminal, a page with every setting and the verdicts."""

from __future__ import annotations

import statistics as plain
from collections.abc import Sequence

from nanocl.reporting.formats import pipe_table
from nanocl.studies.claims import Claim
from nanocl.studies.claims_page import claims_table
from nanocl.studies.teacher_student.claims import absolute, teacher_claims
from nanocl.studies.teacher_student.pictured import pictured
from nanocl.studies.teacher_student.settings import condition_label, label
from nanocl.studies.teacher_student.storage import Record
from nanocl.studies.verdicts import judge_claims

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
SHOWN = ("L_B", "A_keep", "A_oldhead", "drift", "k preserved")  # in the terminal
PUBLISHED = {  # new neurons to arm to loss and distance in Tables 8 and 9
    1: {
        "nano": ("0.0094 ± 0.012", "0.027 ± 0.0040"),
        "gradient": ("0.017 ± 0.015", "0.057 ± 0.032"),
    },
    2: {
        "nano": ("0.038 ± 0.040", "0.042 ± 0.0077"),
        "gradient": ("0.063 ± 0.033", "0.097 ± 0.071"),
    },
}
_GENERATED = (
    "Generated from the records in this results folder, by `python -m nanocl.report` and by "
    "`python -m nanocl.run --stream teacher-student`; do not edit."
)
_CLAIMS = "The verdicts, which rest on all claims together, are in [CLAIMS.md](../../CLAIMS.md)."
_LEGEND = """\
Arms: `gd` and `adam` train everything. `nano`, `large`, `gradient` and `random` train a share of
the entries of each layer by gradient descent: the smallest, the largest, those with the largest
gradients, or random ones. `nano-neuron` trains the smallest whole neurons. `theorem` trains the
input weights of the smallest neuron that has the sign of the new neuron.

The paper's setting has one new neuron in the plane, 20 hidden neurons of initial deviation 0.22 and
10000 full-batch steps. The mask share of 10 %, a new selection at every step, 500 samples and the
learning rate of 0.125 on the mean squared error are our choice: the paper gives none, or none that
converges. Every other setting differs from it as its title says.

Cells are median and quartiles over the seeds; a seed that diverged is left out and counted.

- L_B: test error on B (mean square).
- A_keep: error on A of the neurons that made up 95 % of the pretrained network.
- A_oldhead: error on A with the pretrained output weights restored; with own heads this is the
  error on A.
- drift: mean squared change of a parameter, for all neurons and for the kept ones.
- k preserved: the k largest neurons are unchanged to 1e-6.
- cosine: between |a| w of the kept neurons before and after.
- match: best cosine of a new teacher neuron with a student neuron of its sign.
- steps: updates until the training error on B is 1 % of the new neurons' mean square, with the
  number of seeds that reached it."""


def terminal_text(settings: Sequence[Record], claims: Sequence[Claim]) -> str:
    """For the terminal: the first setting, and of each claim how many settings say what."""
    lines = _terminal_table(settings[0]) if settings else []
    for row in judge_claims(claims):
        lines += ["", f"{row.claim.claim} ({row.claim.source.split(': ')[0]})", f"  {row.tally}"]
    return "\n".join(lines)


def teacher_page(settings: Sequence[Record], conditions: Sequence[Record]) -> str:
    """Markdown: verdicts, figures, every setting."""
    figures = pictured(settings, conditions).names()
    parts = [
        "# Teacher-student study",
        _GENERATED,
        "## Claims",
        _CLAIMS,
        claims_table(judge_claims(teacher_claims(settings, conditions))),
        "## Published tables",
        _published_table(settings),
        "## Figures",
        *(f"![{name}.png]({name}.png)" for name in figures),
        "## Every setting",
        _LEGEND,
    ]
    for entry in settings:
        title = label(entry["setting"])
        parts += [f"### {title[:1].upper()}{title[1:]}", _setting_table(entry)]
    parts += ["## Theorem 2.2", _conditions_table(conditions)]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _terminal_table(entry: Record) -> list[str]:
    seeds = len(entry["setting"]["seeds"])
    rows = [["arm", *SHOWN]]
    for arm in _arms(entry):
        rows.append([arm, *(_median(_values(entry, arm, name)) for name in SHOWN)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{label(entry['setting'])}, {seeds} seeds, medians:"]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells))
    return lines


def _setting_table(entry: Record) -> str:
    rows = []
    for arm in _arms(entry):
        cells = [_quartiles(_values(entry, arm, name), name == "steps") for name in COLUMNS]
        rows.append((arm, *cells, _diverged(entry, arm)))
    return pipe_table(("arm", *COLUMNS, "diverged"), rows)


def _published_table(settings: Sequence[Record]) -> str:
    """Tables 8 and 9 of the paper (mean and standard deviation) beside our comparable settings."""
    header = ("table", "arm", "setting", "loss", "distance", "diverged")
    rows: list[tuple[str, ...]] = []
    for extra, arms in PUBLISHED.items():
        for arm, published in arms.items():
            rows.append((str(7 + extra), arm, "*as published*", *published, ""))
            for entry in settings:
                if _is_comparable(entry, extra):
                    ours = [_mean_and_deviation(entry, arm, name) for name in ("loss_b", "drift")]
                    title = label(entry["setting"])
                    rows.append((str(7 + extra), arm, title, *ours, _diverged(entry, arm)))
    return pipe_table(header, rows, names=3)


def _conditions_table(conditions: Sequence[Record]) -> str:
    """Medians over the seeds, a row for each network of each condition."""
    header = ("networks", "epsilon", "distance of the limit", "time until learned", "learned")
    rows = []
    for entry in conditions:
        values = entry["values"]
        for place in range(len(values["epsilon"][0])):
            columns = []
            for name in ("epsilon", "distance", "time"):
                column = [row[place] for row in values[name]]
                columns.append([value for value in column if value is not None])
            learned = f"{len(columns[-1])} of {len(values['epsilon'])}"
            rows.append((condition_label(entry["condition"]), *map(_median, columns), learned))
    return pipe_table(header, rows)


def _arms(entry: Record) -> list[str]:
    return [name for name in entry["values"] if name != "before"]


def _values(entry: Record, arm: str, column: str) -> list[float]:
    """The values of the seeds that did not diverge."""
    values = entry["values"][arm][COLUMNS[column]]
    return [value for value in values if value is not None]


def _diverged(entry: Record, arm: str) -> str:
    count = entry["values"][arm]["loss_b"].count(None)
    return str(count) if count else ""


def _quartiles(values: Sequence[float], counted: bool) -> str:
    """`median [first quartile, third quartile]`, followed by the number of values if `counted`."""
    count = f" ({len(values)})" if counted else ""
    if len(values) < 2:
        return f"–{count}"
    low, middle, high = plain.quantiles(values, n=4, method="inclusive")
    return f"{middle:.3g} [{low:.3g}, {high:.3g}]{count}"


def _median(values: Sequence[float]) -> str:
    return f"{plain.median(values):.3g}" if values else "–"


def _mean_and_deviation(entry: Record, arm: str, measure: str) -> str:
    value = absolute(entry, arm, measure)
    return f"{value[0]:.2g} ± {value[1]:.2g}" if value else "–"


def _is_comparable(entry: Record, extra: int) -> bool:
    """Whether a setting has the paper's number of new neurons, dimension, heads and teachers."""
    setting = entry["setting"]
    kind = [setting[name] for name in ("extra", "dimension", "heads", "angle")]
    return kind == [extra, 2, "shared", None]
