"""Verdicts over the settings of a claim, with one procedure for all claims of the page.

The null hypothesis of a claim is that its signed quantity is symmetric about 0 in every setting. It
is tested by sign flips of the seeds' means over the settings: step-down max-|t| over all claims
that share seeds (`nanocl.reporting.pairs`), and Holm's method across families of claims that do
not. Settings that speak for a claim and against it cancel in that mean: where a claim has both, the
same procedure tests every setting of every claim.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nanocl.reporting import pairs, statistics
from nanocl.studies.claims import Chapter, Claim
from nanocl.studies.rules import (
    AGAINST,
    EQUAL,
    FOR,
    NOT_MEASURED,
    STATES,
    Finding,
    decides,
    finding,
)

HOLDS = "holds"
DOES_NOT_HOLD = "does not hold"
DEPENDS = "depends on the setting"
UNDECIDED = "undecided"
VERDICTS = (HOLDS, DOES_NOT_HOLD, DEPENDS, UNDECIDED, NOT_MEASURED)


@dataclass(frozen=True)
class Judged:
    """A claim and its verdict.

    Attributes:
        claim: The claim.
        findings: One for each setting.
        verdict: One of `VERDICTS`.
        p: Adjusted p-value of the pooled test; None if no seed changes the quantity, or no setting
            has enough seeds.
    """

    claim: Claim
    findings: tuple[Finding, ...]
    verdict: str
    p: float | None

    def settings(self, state: str) -> list[str]:
        """Names of the settings in this state."""
        return [one.setting.name for one in self.findings if one.state == state]

    @property
    def reasons(self) -> list[str]:
        """Why settings are not measured, or the claim is not; each once."""
        if not self.findings:
            return [self.claim.missing]
        reasons = [
            one.setting.missing or f"{len(one.setting.values)} seeds"
            for one in self.findings
            if one.state == NOT_MEASURED
        ]
        return list(dict.fromkeys(reasons))

    @property
    def tally(self) -> str:
        """In how many settings it is in each state, e.g. `for 3, open 1 of 4 settings`."""
        counts = [f"{state} {len(names)}" for state in STATES if (names := self.settings(state))]
        return f"{', '.join(counts)} of {len(self.findings)} settings" if counts else ""


def judge(chapters: Sequence[Chapter]) -> list[list[Judged]]:
    """The verdicts on the claims of each chapter; all claims of all chapters are tested at once."""
    claims = [claim for chapter in chapters for claim in chapter.claims]
    judged = iter(judge_claims(claims))
    return [list(itertools.islice(judged, len(chapter.claims))) for chapter in chapters]


def judge_claims(claims: Sequence[Claim]) -> list[Judged]:
    """The verdicts on claims that are all claims of a page."""
    pooled = [_pooled(claim) for claim in claims]
    p_values = _adjusted([claim.family for claim in claims], pooled)
    findings = [_findings(claim) for claim in claims]
    opposed = _opposed(claims, findings)
    judged = []
    for place, (claim, found) in enumerate(zip(claims, findings, strict=True)):
        direction = _direction(claim, pooled[place], p_values[place])
        states = [one.state for one in found]
        word = verdict(states, direction, opposed=place in opposed)
        judged.append(Judged(claim, found, word, p_values[place]))
    return judged


def _findings(claim: Claim) -> tuple[Finding, ...]:
    return tuple(finding(setting, claim.quantity) for setting in claim.settings)


def verdict(states: Sequence[str], direction: float, *, opposed: bool = False) -> str:
    """The verdict over the states of the settings.

    `for` and `against` count only if the pooled test rejects, and alone only in its direction.
    Without it, 14 to 46 % of the page's claims would have a setting that is `against` although
    nothing has an effect (tests/studies/test_level.py).

    Args:
        states: Of the settings.
        direction: 1 or -1 if the pooled test rejects, with the sign of the pooled mean, 0 if it
            does not; NaN where no seed changes the quantity and there is nothing to test.
        opposed: Whether the test of single settings rejects in both directions.
    """
    if all(state == NOT_MEASURED for state in states):
        return NOT_MEASURED
    supports, contradicts, equal = (state in states for state in (FOR, AGAINST, EQUAL))
    if supports and (contradicts or equal):
        return DEPENDS if direction or opposed else UNDECIDED
    if supports:
        return HOLDS if direction > 0 or math.isnan(direction) else UNDECIDED
    if equal:
        return DOES_NOT_HOLD
    if contradicts:
        return DOES_NOT_HOLD if direction < 0 or math.isnan(direction) else UNDECIDED
    return UNDECIDED


def _opposed(claims: Sequence[Claim], findings: Sequence[Sequence[Finding]]) -> set[int]:
    """Places of the claims with a setting `for` them and one `against` that the test rejects."""
    both = {FOR, AGAINST}
    if not any(both <= _states(found) for found in findings):
        return set()
    cells = [
        (place, one)
        for place, found in enumerate(findings)
        for one in found
        if decides(one.setting)
    ]
    p_values = _adjusted(
        [claims[place].family for place, _ in cells],
        [dict(sorted(one.setting.values.items())) for _, one in cells],
    )
    rejected: dict[int, set[str]] = {}
    for (place, one), p in zip(cells, p_values, strict=True):
        if p is not None and p < statistics.LEVEL:
            # within the margin an effect that is not 0 speaks neither for a claim nor against it
            rejected.setdefault(place, set()).add(one.state)
    return {place for place, states in rejected.items() if both <= states}


def _states(findings: Sequence[Finding]) -> set[str]:
    return {one.state for one in findings}


def _pooled(claim: Claim) -> dict[int, float]:
    """Seed to the mean over the settings that can decide; empty without such settings."""
    rows = [setting.values for setting in claim.settings if decides(setting)]
    seeds = sorted({seed for row in rows for seed in row})
    means = {}
    for seed in seeds:
        means[seed] = statistics.mean([row[seed] for row in rows if seed in row])
    return means


def _direction(claim: Claim, seeds: Mapping[int, float], p: float | None) -> float:
    if p is None:
        has_exact = any(setting.exact is not None for setting in claim.settings)
        return math.nan if has_exact else 0.0
    mean = statistics.mean(list(seeds.values()))
    return math.copysign(1.0, mean) if p < statistics.LEVEL and mean else 0.0


def _adjusted(names: Sequence[str], pooled: Sequence[Mapping[int, float]]) -> list[float | None]:
    """The adjusted p-value of each claim; None without seeds.

    A family is the claims of one name with the same seeds.
    """
    import numpy as np

    families: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for place, (name, seeds) in enumerate(zip(names, pooled, strict=True)):
        if seeds:
            families.setdefault((name, tuple(seeds)), []).append(place)
    within = []
    for places in families.values():
        table = np.array([list(pooled[place].values()) for place in places])
        within.append([float(p) for p in pairs.step_down(table)])
    adjusted: list[float | None] = [None] * len(pooled)
    for places, p_values in zip(families.values(), holm_of_families(within), strict=True):
        for place, p in zip(places, p_values, strict=True):
            adjusted[place] = p
    return adjusted


def holm_of_families(families: Sequence[Sequence[float]]) -> list[list[float]]:
    """Holm's method across families whose p-values are adjusted within each.

    A family passes its share of the level on to the others once all of its hypotheses are rejected;
    passed on earlier, the error of two families that are true in part would exceed the level. With
    one hypothesis a family it is Holm's method.
    """
    order = sorted(range(len(families)), key=lambda number: max(families[number]))
    adjusted: list[list[float]] = [[] for _ in families]
    stages: list[tuple[float, int]] = []  # level that a stage needs, and its number of families
    passed = 0.0
    for rank, number in enumerate(order):
        shares = len(families) - rank
        stages.append((passed, shares))
        for p in families[number]:
            reached = min(max(level, count * p) for level, count in stages)
            adjusted[number].append(min(1.0, reached))
        passed = max(passed, shares * max(families[number]))
    return adjusted
