"""The claims of Fig. 7, Tables 8 and 9 and section 5, judged from the records of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nanocl.reporting import statistics
from nanocl.studies.claims import PAPER, Claim, Setting, ratio
from nanocl.studies.rules import log_ratios
from nanocl.studies.teacher_student.settings import label
from nanocl.studies.teacher_student.storage import Record
from nanocl.studies.teacher_student.theorem_claims import theorem_claims

FAMILY = "teachers and students"
FLOORS = {"drift_kept": 1e-12}  # the square of the change that counts as none
_NAMES = {
    "loss_b": "error on the new task (L_B)",
    "keep_a": "error of the kept neurons on the old task (A_keep)",
    "oldhead_a": "error on the old task (A_oldhead)",
    "drift": "drift",
    "drift_kept": "drift of kept neurons",
}
_FIGURE_7 = f"{PAPER}, Fig. 7"
_TABLE_8 = (
    f"{PAPER}, Table 8 (one new neuron): loss 0.0094 against 0.017, distance 0.027 against 0.057"
)
_TABLE_9 = (
    f"{PAPER}, Table 9 (two new neurons): loss 0.038 against 0.063, distance 0.042 against 0.097"
)
_OWN_HEADS = f"{PAPER}, Table 4, here on teachers"
_ORDER = f"{PAPER}, section 5 (ablation of the mask), here on teachers"


class Row(NamedTuple):
    """A claim: the measure is lower with the first arm than with the second."""

    claim: str
    source: str
    measure: str
    first: str
    second: str


_KEPT = "updating the smallest weights preserves the learned neurons better than"
ONE_OR_TWO = (
    Row(
        f"{_KEPT} updating those with the largest gradients",
        _FIGURE_7,
        "keep_a",
        "nano",
        "gradient",
    ),
    Row(f"{_KEPT} gradient descent on all weights", _FIGURE_7, "keep_a", "nano", "gd"),
    Row(
        "updating the smallest weights moves the kept neurons less than updating those with the "
        "largest gradients",
        _FIGURE_7,
        "drift_kept",
        "nano",
        "gradient",
    ),
)
_LOSS = "the smallest weights learn {} better than those with the largest gradients"
_DRIFT = "the smallest weights move less than those with the largest gradients while learning {}"
ONE = (
    Row(_LOSS.format("one new neuron"), _TABLE_8, "loss_b", "nano", "gradient"),
    Row(_DRIFT.format("one new neuron"), _TABLE_8, "drift", "nano", "gradient"),
)
TWO = (
    Row(_LOSS.format("two new neurons"), _TABLE_9, "loss_b", "nano", "gradient"),
    Row(_DRIFT.format("two new neurons"), _TABLE_9, "drift", "nano", "gradient"),
)
_OWN = "with a head for each task, updating the smallest weights"
OWN = (
    Row(f"{_OWN} forgets less than gradient descent on all", _OWN_HEADS, "oldhead_a", "nano", "gd"),
    Row(
        f"{_OWN} forgets less than updating those with the largest gradients",
        _OWN_HEADS,
        "oldhead_a",
        "nano",
        "gradient",
    ),
    Row(f"{_OWN} learns better than gradient descent on all", _OWN_HEADS, "loss_b", "nano", "gd"),
)
CENTRAL = (
    "in networks of one hidden layer, the smallest weights preserve more than random ones",
    "in networks of one hidden layer, the smallest weights learn better than random ones",
)
ORDER = (
    Row(CENTRAL[0], _ORDER, "keep_a", "nano", "random"),
    Row(CENTRAL[1], _ORDER, "loss_b", "nano", "random"),
    Row("random weights preserve more than the largest ones", _ORDER, "keep_a", "random", "large"),
    Row("random weights learn better than the largest ones", _ORDER, "loss_b", "random", "large"),
)


def teacher_claims(settings: Sequence[Record], conditions: Sequence[Record]) -> list[Claim]:
    """The claims on settings and on conditions; those without any record are left out."""
    one = _shared_heads(settings, 1)
    two = _shared_heads(settings, 2)
    own = [entry for entry in settings if entry["setting"]["heads"] == "own"]
    claims = []
    for rows, records in (
        (ONE_OR_TWO, two + one),
        (ONE, one),
        (TWO, two),
        (OWN, own),
        (ORDER, one + two),
    ):
        claims += [_claim(row, records) for row in rows]
    claims += theorem_claims(conditions)
    return [claim for claim in claims if claim.settings]


def absolute(entry: Record, arm: str, measure: str) -> tuple[float, float] | None:
    """Mean and standard deviation over the seeds that did not diverge, as in the paper's tables."""
    values = [value for value in entry["values"][arm][measure] if value is not None]
    if len(values) < 2:
        return None
    return statistics.mean(values), statistics.deviation(values) or 0.0


def _shared_heads(settings: Sequence[Record], extra: int) -> list[Record]:
    """The settings with shared heads and this number of new neurons."""
    chosen = []
    for entry in settings:
        setting = entry["setting"]
        if setting["heads"] == "shared" and setting["extra"] == extra:
            chosen.append(entry)
    return chosen


def _claim(row: Row, records: Sequence[Record]) -> Claim:
    """The claim with its quantity in every setting."""
    quantity = ratio(f"{_NAMES[row.measure]}, {row.second} / {row.first}")
    settings = [_setting(entry, row) for entry in records]
    return Claim(row.claim, row.source, _ran(records), quantity, settings, family=FAMILY)


def _setting(entry: Record, row: Row) -> Setting:
    seeds = entry["setting"]["seeds"]
    lower, higher = (
        dict(zip(seeds, entry["values"][arm][row.measure], strict=True))
        for arm in (row.first, row.second)
    )
    values = log_ratios(higher, lower, floor=FLOORS.get(row.measure, 0.0))
    counts = {
        row.first: sum(value is None for value in lower.values()),
        row.second: sum(value is None for value in higher.values()),
    }
    # the seeds that are left are a biased sample: shown, if they are half, and never judged
    lost = ", ".join(
        f"{arm} diverged in {count} of {len(seeds)} seeds" for arm, count in counts.items() if count
    )
    if len(values) < len(seeds) and not lost:
        lost = f"{len(values)} of {len(seeds)} seeds have a ratio: a value of the others is 0"
    few = 2 * len(values) < len(seeds)
    return Setting(
        label(entry["setting"]),
        values,
        missing=lost if few else "",
        edge="" if few else lost,
    )


def _ran(records: Sequence[Record]) -> str:
    if not records:
        return "nothing"
    seeds = sorted({len(entry["setting"]["seeds"]) for entry in records})
    return f"{len(records)} settings, {'/'.join(map(str, seeds))} seeds, full batch"
