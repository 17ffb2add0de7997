"""The claims on finetuning, judged from the points of every sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nanocl.studies.claims import Claim
from nanocl.studies.finetune import matched
from nanocl.studies.finetune.claimed import ROWS, SWITCHED, ClaimRow
from nanocl.studies.finetune.points import SWITCHES, Sweep
from nanocl.studies.rules import MARGIN, MARGIN_RATIO, across, joined

SWEEP_RULE = """\
**The rule of the sweeps.** Within a seed each arm gives one number from its whole sweep, so
learning rates never count as repetitions. A protocol meets a claim if two conditions hold for each
comparison. First, one exact sign-flip test over the seeds of all protocols has p < 0.05. Its
p-value is multiplied by 2^(protocols - 1) for the possible directions of the effects; 5 seeds of a
single protocol cannot reach 0.05. Second, the protocol's own 95 % t interval lies on the claimed
side. `not lower` and `not higher` fail if the test contradicts them. They are met if the interval
stays within {margin} points (a ratio: within {percent} %) of no difference on the wrong side, and
are open otherwise. *At equal new-task accuracy* means: the mean over {levels} of the new-task
accuracy that both arms reach in that seed. Each arm is represented by the point of its sweep that
reaches the accuracy and retains most of the old task, with linear interpolation between
neighbouring learning rates. The learning rate is chosen on the test data, in every arm.

**Limits of these verdicts.** The seeds draw test images, order of data and new heads. All start
from the same pretrained weights, so an interval says nothing about other networks. The rows are
not corrected for their number. Learning rates lie a factor of about 3 apart, so tolerance is
measured no more precisely than that, even if all seeds agree. `undecided` does not prove equality:
the interval shows which effects remain possible.
""".format(
    margin=f"{MARGIN:g}",
    percent=f"{100 * (MARGIN_RATIO - 1):.0f}",
    levels=", ".join(f"{100 * level:g} %" for level in matched.LEVELS),
)


def sweep_claims(sweeps: Sequence[Sweep]) -> list[Claim]:
    """A row for each claim on finetuning; `not measured` if no protocol has its arms."""
    plain = [sweep for sweep in sweeps if not sweep.switch]
    claims = [_judged(plain, row) for row in ROWS]
    for switch, words in SWITCHES.items():
        switched = [sweep for sweep in sweeps if sweep.switch == switch]
        for row in SWITCHED:
            claims.append(_judged(switched, replace(row, claim=f"{row.claim}: {words}")))
    return claims


def _judged(sweeps: Sequence[Sweep], row: ClaimRow) -> Claim:
    """The claim with its findings in every sweep that has all of its arms."""
    arms = {arm for wanted in row.wanted for arm in (wanted.first, wanted.second)}
    fitting = [sweep for sweep in sweeps if arms <= sweep.arms.keys()]
    columns = []
    for wanted in row.wanted:
        measure = wanted.measure
        differences = {
            sweep.name: measure.compute(sweep.arms[wanted.first], sweep.arms[wanted.second])
            for sweep in fitting
        }
        columns.append(
            across(
                wanted.words,
                differences,
                wanted.direction,
                ratio=measure.ratio,
                unit=measure.unit,
            )
        )
    rule = f"{'; '.join(map(str, row.wanted))}, by the rule of the sweeps"
    return Claim(row.claim, row.source, _ran(fitting, arms), rule, joined(*columns))


def _ran(sweeps: Sequence[Sweep], arms: set[str]) -> str:
    """Protocols, seeds, learning rates and number of runs of these arms."""
    names = []
    rates = []
    for sweep in sweeps:
        seeds = min(len(sweep.arms[arm]) for arm in arms)
        names.append(f"{sweep.name} (seeds: {seeds})")
        for arm in arms:
            for points in sweep.arms[arm].values():
                rates += [point.lr for point in points]
    if not rates:
        return "nothing yet"
    return (
        f"{', '.join(names)}; learning rates {min(rates):g} to {max(rates):g}, {len(rates)} runs "
        f"of {', '.join(sorted(arms))}"
    )
