"""The claims of Fig. 7, Tables 8 and 9 and section 5, judged from the records of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nanocl.reporting import statistics
from nanocl.studies.claims import PAPER, Claim, Finding
from nanocl.studies.rules import joined, judged, ratio
from nanocl.studies.teacher_student.settings import label
from nanocl.studies.teacher_student.storage import Record
from nanocl.studies.teacher_student.theorem_claims import theorem_claims

FLOORS = {"drift_kept": 1e-12}  # the square of the change that counts as none
_NAMES = {
    "loss_b": "L_B",
    "keep_a": "A_keep",
    "oldhead_a": "A_oldhead",
    "drift": "drift",
    "drift_kept": "drift of kept neurons",
}
_PAIRED = (
    "a setting meets it if every ratio is below 1 by the paired sign-flip test over seeds "
    "(p < 0.05, Holm over the settings); `not higher` fails only if it is significantly above 1"
)
_SMALLER = (
    "with the smallest weights the loss on the new task is not higher and the parameters move less "
    "than with the largest gradients"
)
# each claim with its source
_PRESERVED = (
    "updating the smallest weights preserves the learned neurons, updating those with the largest "
    "gradients does not",
    f"{PAPER}, Fig. 7",
)
_TABLE_8 = (
    _SMALLER,
    f"{PAPER}, Table 8 (one new neuron): loss 0.0094 against 0.017, distance 0.027 against 0.057",
)
_TABLE_9 = (
    _SMALLER,
    f"{PAPER}, Table 9 (two new neurons): loss 0.038 against 0.063, distance 0.042 against 0.097",
)
_OWN_HEADS = (
    "with a head for each task, updating the smallest weights forgets less and learns as well",
    f"{PAPER}, Table 4, here on teachers",
)
_ORDER = (
    "small beats random beats large: less forgetting, and no less learning",
    f"{PAPER}, section 5 (ablation of the mask), here on teachers",
)


class Wanted(NamedTuple):
    """A comparison that a claim needs: a measure of two arms, `lower` or `not higher`."""

    measure: str
    first: str
    second: str
    direction: str

    def __str__(self) -> str:
        return f"{_NAMES[self.measure]} {self.first} / {self.second} {self.direction}"


PRESERVED_WANTED = (
    Wanted("keep_a", "nano", "gradient", "lower"),
    Wanted("keep_a", "nano", "gd", "lower"),
    Wanted("drift_kept", "nano", "gradient", "lower"),
)
OWN_WANTED = (
    Wanted("oldhead_a", "nano", "gd", "lower"),
    Wanted("oldhead_a", "nano", "gradient", "lower"),
    Wanted("loss_b", "nano", "gd", "not higher"),
)
ORDER_WANTED = (
    Wanted("keep_a", "nano", "random", "lower"),
    Wanted("loss_b", "nano", "random", "not higher"),
    Wanted("keep_a", "random", "large", "lower"),
    Wanted("loss_b", "random", "large", "not higher"),
)
TABLE_WANTED = (
    Wanted("loss_b", "nano", "gradient", "not higher"),
    Wanted("drift", "nano", "gradient", "lower"),
)


def teacher_claims(settings: Sequence[Record], conditions: Sequence[Record]) -> list[Claim]:
    """The claims, judged from records of settings and of conditions; those without any left out."""
    one = _shared_heads(settings, 1)
    two = _shared_heads(settings, 2)
    own = [entry for entry in settings if entry["setting"]["heads"] == "own"]
    claims = [
        _judged(*_PRESERVED, two + one, *PRESERVED_WANTED),
        _judged(*_TABLE_8, one, *TABLE_WANTED),
        _judged(*_TABLE_9, two, *TABLE_WANTED),
        _judged(*_OWN_HEADS, own, *OWN_WANTED),
        _judged(*_ORDER, one + two, *ORDER_WANTED),
        *theorem_claims(conditions),
    ]
    return [claim for claim in claims if claim.findings]


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


def _judged(
    text: str,
    source: str,
    records: Sequence[Record],
    *wanted: Wanted,
) -> Claim:
    """The claim with its findings in every setting."""
    columns = []
    for one in wanted:
        ratios = {label(entry["setting"]): _compared(entry, one) for entry in records}
        columns.append(judged(ratios, one.direction))
    rule = f"{', '.join(map(str, wanted))}: {_PAIRED}"
    return Claim(text, source, _ran(records), rule, joined(*columns))


def _compared(entry: Record, wanted: Wanted) -> Finding:
    seeds = entry["setting"]["seeds"]
    values = entry["values"]
    measure, first, second, _ = wanted
    return ratio(
        f"{_NAMES[measure]} {first} / {second}",
        dict(zip(seeds, values[first][measure], strict=True)),
        dict(zip(seeds, values[second][measure], strict=True)),
        floor=FLOORS.get(measure, 0.0),
    )


def _ran(records: Sequence[Record]) -> str:
    if not records:
        return "nothing"
    seeds = sorted({len(entry["setting"]["seeds"]) for entry in records})
    return f"{len(records)} settings, {'/'.join(map(str, seeds))} seeds, full batch"
