"""The claims on finetuning, with the quantity of each in every sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nanocl.studies.claims import Claim, Setting
from nanocl.studies.finetune import decomposition, fronts
from nanocl.studies.finetune.claimed import ROWS, SWITCHED, ClaimRow, Role
from nanocl.studies.finetune.fronts import Levels
from nanocl.studies.finetune.grids import ALONE, FREE, Grid, unlike
from nanocl.studies.finetune.points import SWITCHES, Sweep

RULE = """\
**How sweeps are read.** An arm is a learner with a grid of settings. Two arms are compared only if
what suits one of them was sought for the other, too: rates, strength of a penalty, share of trained
entries, what is trained densely. In each seed and at each level, an arm is read at the setting that
is best on the old task among those with new-task accuracy of at least the level; both are
accuracies on training data that were held out (`stream.validation = 0.1` in the protocol). Of
settings that are equally good on the old task the one better on the new task is read, then the
first in the study's table. The reading is that setting's accuracy on test data. No line is drawn
between settings. Levels are {levels} of the lowest over arms of the best held-out new-task
accuracy, seed by seed; joint training, head and norms alone and, if others are complete, arms with
missing runs set none. Where a quantity names no level, it is the mean over the levels. A level
counts only above the accuracy of the untrained head and above half of joint training's ({bound:.0f}
% where no arm trains jointly). A comparison with a reading at an arm's lowest rate (`edge`) decides
nothing. Arms with a head rate of their own may leave the backbone at rate 0: the notes count the
seeds in which they do, and a comparison with an arm that does so in every seed decides nothing, for
that is head and norms alone. The notes also count readings at the lowest of several head rates and,
where the new task is learned best, at the largest rate: rates beyond might be better. A tolerated
learning rate is known to one step of the grid: its interval is wider by that step on both sides.

**Seeds and networks.** The seeds draw samples, order of data and new heads. All seeds of a protocol
start from the same pretrained weights, so an interval says nothing about other networks: the rows
say how many networks they rest on. What was held out was held out from finetuning; the network may
have been pretrained on it.
""".format(
    levels=", ".join(f"{100 * level:g} %" for level in fronts.LEVELS),
    bound=50 * fronts.BOUND,
)
FAMILY = "protocols"  # seed s gives every learner of every protocol the same draws
Read = Sequence[tuple[Sweep, Levels]]


def sweep_claims(sweeps: Sequence[Sweep]) -> list[Claim]:
    """A row for each claim on finetuning."""
    claims = compared(sweeps, ROWS)
    for switch, words in SWITCHES.items():
        rows = [replace(row, claim=f"{row.claim}: {words}") for row in SWITCHED]
        claims += compared(sweeps, rows, switch)
    return claims


def part_claims(sweeps: Sequence[Sweep]) -> list[Claim]:
    """The parts of NanoAdam's advantage over AdamW."""
    return compared(sweeps, decomposition.rows())


def compared(sweeps: Sequence[Sweep], rows: Sequence[ClaimRow], switch: str = "") -> list[Claim]:
    """Each claim with its quantity in every sweep with this switch that has arms for both sides."""
    read = [(sweep, fronts.levels(sweep)) for sweep in sweeps if sweep.switch == switch]
    return [_claim(read, row) for row in rows]


def _claim(read: Read, row: ClaimRow) -> Claim:
    words = row.measure.words.format(row.first, row.second)
    settings: list[Setting] = []
    ran: list[tuple[Sweep, tuple[str, str]]] = []
    for sweep, levels in read:
        names = arms_of(sweep, row)
        if names is None:
            continue
        ran.append((sweep, names))
        reason = unlike(*_grids(sweep, names), same_head=row.same_head)
        measured = row.measure.setting(sweep, levels, *names)
        missing = "; ".join(filter(None, (reason, measured.missing)))
        settings.append(replace(measured, missing=missing) if missing else measured)
    return Claim(
        row.claim,
        row.source,
        _ran(ran, settings),
        row.measure.quantity(words),
        settings,
        f"no protocol ran both {row.first} and {row.second}",
        FAMILY,
    )


def arms_of(sweep: Sweep, row: ClaimRow) -> tuple[str, str] | None:
    """The two arms of a sweep that a claim compares; None if it has none for a side.

    Of several pairs, one that is a fair comparison goes first, then one with free rates.
    """
    pairs = [
        (first, second)
        for first in _candidates(sweep, row.first)
        for second in _candidates(sweep, row.second)
    ]

    def rank(names: tuple[str, str]) -> tuple[bool, bool]:
        first, second = _grids(sweep, names)
        is_free = {first.head, second.head} <= {FREE, ALONE}
        return bool(unlike(first, second, same_head=row.same_head)), not is_free

    return min(pairs, key=rank, default=None)


def _candidates(sweep: Sweep, role: Role) -> list[str]:
    return [name for name, grid in sweep.grids.items() if role.fits(grid.learner, grid.head)]


def _grids(sweep: Sweep, names: tuple[str, str]) -> tuple[Grid, Grid]:
    return sweep.grids[names[0]], sweep.grids[names[1]]


def _ran(ran: Sequence[tuple[Sweep, tuple[str, str]]], settings: Sequence[Setting]) -> str:
    """Protocols, seeds, learning rates and runs of the compared arms; networks that count."""
    if not ran:
        return "nothing yet"
    names = []
    rates = []
    networks = set()
    compared: dict[str, set[int]] = {}
    for (sweep, arms), setting in zip(ran, settings, strict=True):
        names.append(f"{sweep.name} (seeds: {min(len(sweep.arms[arm]) for arm in arms)})")
        model = sweep.spec.model
        if not setting.missing:
            networks.add((model.name, model.weights, model.pretrained_on, *model.options.items()))
        for arm in arms:
            points = sweep.arms[arm].values()
            compared.setdefault(arm, set()).add(max(map(len, points)))
            rates += [point.lr for row in points for point in row]
    count = f"{len(networks)} pretrained network{'s' if len(networks) != 1 else ''}"
    return (
        f"{', '.join(names)}; {count}; learning rates {min(rates):g} to {max(rates):g}, "
        f"{len(rates)} runs of {', '.join(_sized(*arm) for arm in sorted(compared.items()))}"
    )


def _sized(arm: str, sizes: set[int]) -> str:
    """An arm with the number of its settings, or the smallest and largest over the protocols."""
    counts = " to ".join(map(str, sorted({min(sizes), max(sizes)})))
    return f"{arm} ({counts} setting{'s' if counts != '1' else ''})"
