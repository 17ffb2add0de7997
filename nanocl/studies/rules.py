"""The rules that turn measured numbers into findings: ratios, paired tests, and their states."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from nanocl.records.ranges import one_of
from nanocl.reporting import statistics
from nanocl.studies.claims import AGAINST, FOR, OPEN, Finding

WANTED = ("lower", "not higher", "higher", "not lower")
MARGIN = 2.0  # largest difference in points that `across` calls no worse
MARGIN_RATIO = 1.1  # the same for a ratio


def ratio(
    comparison: str,
    first: Mapping[int, float | None],
    second: Mapping[int, float | None],
    *,
    floor: float = 0.0,
) -> Finding:
    """`first / second` over the seeds they share.

    The effect is the geometric mean, tested by a sign-flip test of the logarithms.

    Args:
        comparison: Name of the comparison.
        first, second: Seed to a value of at least 0. A seed is left out if its value is None or not
            finite on one side.
        floor: Smaller values count as this one, so that a quantity may be 0.
    """
    differences = statistics.paired(_logarithms(first, floor), _logarithms(second, floor))
    ends = statistics.interval(differences)
    # less than half of the seeds would be a biased sample
    too_few = len(differences) < statistics.FEWEST_SEEDS or 2 * len(differences) < len(first)
    if too_few or ends is None:
        return Finding(comparison, None, None, None, len(differences))
    return Finding(
        comparison,
        math.exp(statistics.mean(differences)),
        (math.exp(ends[0]), math.exp(ends[1])),
        statistics.sign_flip_p_value(differences),
        len(differences),
        medians=(_median(first), _median(second)),
    )


def judged(findings: Mapping[str, Finding], wanted: str) -> dict[str, Finding]:
    """Ratios in several settings, with p-values corrected by Holm over the settings, and states.

    Args:
        findings: Setting to the same comparison there.
        wanted: `lower`: significantly below 1 is for, significantly above is against. `not higher`:
            only significantly above 1 is against, everything else that was measured is for.
            `higher` and `not lower` are the mirror images.
    """
    one_of("wanted", wanted, WANTED)
    raw = {setting: finding.p for setting, finding in findings.items() if finding.p is not None}
    corrected = dict(zip(raw, statistics.holm(list(raw.values())), strict=True))
    states = {}
    for setting, finding in findings.items():
        p = corrected.get(setting)
        states[setting] = replace(finding, p=p, state=_state(finding, p, wanted))
    return states


def across(
    comparison: str,
    differences: Mapping[str, Sequence[float]],
    wanted: str,
    *,
    ratio: bool = False,
    unit: str = "",
) -> dict[str, Finding]:
    """One comparison in settings with few seeds each, tested over the seeds of all settings.

    A setting speaks for or against only if the joint test has p < 0.05 and the setting's own 95 %
    interval (Student's t over its seeds) lies on one side. A few seeds without a visible difference
    do not prove that there is none: otherwise `not lower` and `not higher` are met only if that
    interval stays within `MARGIN` or `MARGIN_RATIO`.

    Args:
        comparison: Name of the comparison.
        differences: Setting to the paired differences of its seeds, of logarithms with `ratio`.
        wanted: See `judged`.
        ratio: Whether the effect is a ratio.
        unit: Unit of a difference.
    """
    enough = {s: row for s, row in differences.items() if len(row) >= statistics.FEWEST_SEEDS}
    p = _joint_p_value(list(enough.values()))
    shown: Callable[[float], float] = math.exp if ratio else float
    nothing = Finding(comparison, None, None, None, 0, neutral=float(ratio), unit=unit)
    findings = {}
    for setting, row in differences.items():
        ends = statistics.interval(row)
        if setting not in enough or ends is None:
            findings[setting] = replace(nothing, seeds=len(row))
            continue
        effect = shown(statistics.mean(row))
        interval = (shown(ends[0]), shown(ends[1]))
        joint = len(enough) > 1
        finding = replace(
            nothing,
            effect=effect,
            interval=interval,
            p=p,
            seeds=len(row),
            joint=joint,
        )
        findings[setting] = replace(finding, state=_gated(finding, wanted))
    return findings


def joined(*columns: Mapping[str, Finding]) -> dict[str, tuple[Finding, ...]]:
    """Setting to its findings of all columns, which share their settings."""
    rows = {}
    for setting in columns[0]:
        rows[setting] = tuple(column[setting] for column in columns)
    return rows


def _logarithms(side: Mapping[int, float | None], floor: float) -> dict[int, float]:
    """Seed to the logarithm of its value; seeds without a positive finite value are left out."""
    logarithms = {}
    for seed, value in side.items():
        if value is not None and math.isfinite(value) and max(value, floor) > 0:
            logarithms[seed] = math.log(max(value, floor))
    return logarithms


def _median(side: Mapping[int, float | None]) -> float:
    return median(value for value in side.values() if value is not None)


def _joint_p_value(rows: Sequence[Sequence[float]]) -> float | None:
    """One exact sign-flip test over the seeds of all settings.

    Each row is turned by the sign of its mean, so that effects of opposite directions do not
    cancel. These signs come from the data. So p is multiplied by the number of sign patterns,
    2^(settings - 1): it stays valid for whichever pattern the data show.
    """
    if not rows:
        return None
    turned = []
    for row in rows:
        sign = math.copysign(1.0, statistics.mean(row))
        turned += [sign * value for value in row]
    return min(1.0, 2 ** (len(rows) - 1) * statistics.sign_flip_p_value(turned))


def _gated(finding: Finding, wanted: str) -> str:
    """The state by the joint p-value and the setting's own interval."""
    if finding.interval is None or finding.p is None:
        return OPEN
    low, high = finding.interval
    if finding.p < statistics.LEVEL and (low > finding.neutral or high < finding.neutral):
        return _state(finding, finding.p, wanted)
    least, most = (1 / MARGIN_RATIO, MARGIN_RATIO) if finding.neutral else (-MARGIN, MARGIN)
    within = {"not lower": low >= least, "not higher": high <= most}
    return FOR if within.get(wanted) else OPEN


def _state(finding: Finding, p: float | None, wanted: str) -> str:
    """The state by one p-value."""
    if finding.effect is None or p is None:
        return OPEN
    if p < statistics.LEVEL:
        is_lower = finding.effect < finding.neutral
        if is_lower == (wanted in ("lower", "not higher")):
            return FOR
        return AGAINST
    return FOR if wanted.startswith("not") else OPEN
