"""Claims of papers against measurements: each verdict is computed from findings by a rule that is stated with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from nanocl.records.ranges import one_of
from nanocl.reporting import statistics

FOR, AGAINST, OPEN = "for", "against", "open"
WANTED = ("lower", "not higher", "higher", "not lower")
MARGIN, MARGIN_RATIO = (
    2.0,
    1.1,
)  # of a difference in points and of a ratio: what `across` calls no worse


@dataclass(frozen=True)
class Finding:
    """One measured effect in one setting.

    Attributes:
        what: What was compared, e.g. `A_keep, nano / gradient`.
        effect: The number: of a ratio the geometric mean over the seeds, of a difference the mean;
            None where nothing could be measured.
        interval: Its 95 % interval, or None.
        p: Two-sided p-value, after `judged` corrected over the settings; None without a test.
        seeds: Seeds behind it.
        state: `for`, `against` or `open`.
        medians: Of a ratio, those of its two sides.
        neutral: The effect of no difference: 1 of a ratio, 0 of a difference.
        unit: Of the effect, empty for a ratio.
        joint: Whether `p` is of one test over the seeds of all settings.
    """

    what: str
    effect: float | None
    interval: tuple[float, float] | None
    p: float | None
    seeds: int
    state: str = OPEN
    medians: tuple[float, float] | None = None
    neutral: float = 1.0
    unit: str = ""
    joint: bool = False

    def __str__(self) -> str:
        if self.effect is None:
            return f"{self.what}: not measured ({self.seeds} seeds)"
        low_high = f" [{self.interval[0]:.3g}, {self.interval[1]:.3g}]" if self.interval else ""
        p = (
            ""
            if self.p is None
            else f", {'joint ' * self.joint}p {'< 0.001' if self.p < 1e-3 else f'= {self.p:.2g}'}"
        )
        sides = (
            f" (medians {self.medians[0]:.2g} and {self.medians[1]:.2g})" if self.medians else ""
        )
        effect = f"{self.effect:+.3g}" if self.neutral == 0 else f"{self.effect:.3g}"
        seeds = f", {self.seeds} seeds" if self.seeds else ""
        return f"{self.what}{sides} {effect}{low_high}{' ' * bool(self.unit)}{self.unit}{p}{seeds}: {self.state}"


@dataclass(frozen=True)
class Claim:
    """A row of the page of claims.

    Attributes:
        claim: What is claimed, in one sentence.
        source: Where, with the published numbers.
        ran: What we ran.
        rule: When a setting meets the claim.
        findings: Setting to its findings; the first setting is the one that the source describes.
    """

    claim: str
    source: str
    ran: str
    rule: str
    findings: Mapping[str, tuple[Finding, ...]]

    @property
    def verdict(self) -> str:
        """`holds` where every setting meets the claim, `does not hold` where none does and one contradicts it,
        `undecided` where none does either, else what it depends on.
        """
        met, against, undecided = (self.settings(state) for state in (FOR, AGAINST, OPEN))
        if all(f.effect is None for found in self.findings.values() for f in found):
            return "not measured"
        if len(met) == len(self.findings):
            return "holds"
        if not met:
            return "does not hold" if against else "undecided"
        parts = [("holds", met), ("does not hold", against), ("undecided", undecided)]
        return "depends on the setting: " + ". ".join(
            f"{word[:1].upper() * bool(place) or word[:1]}{word[1:]} with {'; '.join(settings)}"
            for place, (word, settings) in enumerate(parts)
            if settings
        )

    def settings(self, state: str) -> list[str]:
        """Settings that meet the claim (`for`), contradict it in a comparison (`against`), or neither (`open`)."""
        states = {setting: {f.state for f in found} for setting, found in self.findings.items()}
        return [
            setting
            for setting, seen in states.items()
            if state == (FOR if seen == {FOR} else AGAINST if AGAINST in seen else OPEN)
        ]

    @property
    def tally(self) -> str:
        """For each comparison, in how many settings it speaks for the claim and in how many against."""
        columns = list(zip(*self.findings.values(), strict=True))
        return "; ".join(
            f"{column[0].what}: for in {sum(f.state == FOR for f in column)}, against in "
            f"{sum(f.state == AGAINST for f in column)} of {len(column)}"
            for column in columns
        )


def ratio(
    what: str,
    first: Mapping[int, float | None],
    second: Mapping[int, float | None],
    *,
    floor: float = 0.0,
) -> Finding:
    """`first / second` over the seeds they share: geometric mean, interval, sign-flip test of the logarithms.

    Args:
        what: Name of the comparison.
        first, second: Seed to a value, at least 0; a seed whose value is None or not finite on one
            side is left out.
        floor: Values below it count as it, so that a quantity may be 0.
    """
    logs = [
        {
            seed: math.log(max(value, floor))
            for seed, value in side.items()
            if value is not None and math.isfinite(value) and max(value, floor) > 0
        }
        for side in (first, second)
    ]
    differences = statistics.paired(*logs)
    if len(differences) < statistics.FEWEST_SEEDS or 2 * len(differences) < len(first):
        return Finding(what, None, None, None, len(differences))
    low_high = statistics.interval(differences)
    return Finding(
        what,
        math.exp(statistics.mean(differences)),
        tuple(map(math.exp, low_high)),
        statistics.sign_flip_p_value(differences),
        len(differences),
        medians=_medians(first, second),
    )


def judged(findings: Mapping[str, Finding], wanted: str) -> dict[str, Finding]:
    """Ratios in several settings with Holm's correction over the settings and their states.

    Args:
        findings: Setting to the same comparison there.
        wanted: `lower`: significantly below 1 is for, significantly above is against. `not higher`:
            only significantly above 1 is against, all else that was measured is for. `higher`, `not
            lower`: mirrored.
    """
    one_of("wanted", wanted, WANTED)
    tested = [setting for setting, finding in findings.items() if finding.p is not None]
    corrected = dict(
        zip(tested, statistics.holm([findings[setting].p for setting in tested]), strict=True)
    )
    return {
        setting: replace(
            finding, p=corrected.get(setting), state=_state(finding, corrected.get(setting), wanted)
        )
        for setting, finding in findings.items()
    }


def across(
    what: str,
    differences: Mapping[str, Sequence[float]],
    wanted: str,
    *,
    ratio: bool = False,
    unit: str = "",
) -> dict[str, Finding]:
    """One comparison in settings with few seeds each, gated by one exact test over the seeds of all settings.

    The sign-flip test takes all differences, each turned by the sign of its setting's mean, so that
    effects of opposite directions do not cancel. These signs come from the data, so p is multiplied
    by the patterns that they could have shown, 2^(settings - 1). A setting speaks only if this p is
    below 0.05 and its own 95 % interval (Student's t over its seeds) lies on one side. A few seeds
    that show no difference are no proof that there is none: `not lower` and `not higher` are
    otherwise met only where that interval stays within `MARGIN` or `MARGIN_RATIO`.

    Args:
        what: Name of the comparison.
        differences: Setting to the paired differences of its seeds, with `ratio` of logarithms.
        wanted: See `judged`; `higher` and `not lower` are the mirror images.
    """
    measured = {
        setting: row for setting, row in differences.items() if len(row) >= statistics.FEWEST_SEEDS
    }
    turned = [
        math.copysign(1.0, statistics.mean(row)) * value
        for row in measured.values()
        for value in row
    ]
    p = (
        min(1.0, 2 ** (len(measured) - 1) * statistics.sign_flip_p_value(turned))
        if measured
        else None
    )
    shown = math.exp if ratio else float
    found = {}
    for setting, row in differences.items():
        if setting not in measured:
            found[setting] = Finding(
                what, None, None, None, len(row), neutral=float(ratio), unit=unit
            )
            continue
        ends = tuple(map(shown, statistics.interval(row)))
        finding = Finding(
            what,
            shown(statistics.mean(row)),
            ends,
            p,
            len(row),
            neutral=float(ratio),
            unit=unit,
            joint=len(measured) > 1,
        )
        found[setting] = replace(finding, state=_gated(finding, wanted))
    return found


def joined(*columns: Mapping[str, Finding]) -> dict[str, tuple[Finding, ...]]:
    """Setting to its findings of all columns, which share their settings."""
    return {setting: tuple(column[setting] for column in columns) for setting in columns[0]}


def markdown(claims: Sequence[Claim]) -> str:
    """One table row a claim: the source's setting in numbers, all settings in the verdict."""
    lines = [
        "| claim | source | what we ran | effect there | rule | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for claim in claims:
        setting, found = next(iter(claim.findings.items()), ("", ()))
        effect = "<br>".join([f"*{setting}*", *map(str, found)])
        lines.append(
            "| "
            + " | ".join(
                _cell(text)
                for text in (
                    claim.claim,
                    claim.source,
                    claim.ran,
                    effect,
                    claim.rule,
                    f"**{claim.verdict}**<br>{claim.tally}",
                )
            )
            + " |"
        )
    return "\n".join(lines) + "\n"


def _medians(*sides: Mapping[int, float | None]) -> tuple[float, ...]:
    return tuple(median(value for value in side.values() if value is not None) for side in sides)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _gated(finding: Finding, wanted: str) -> str:
    low, high = finding.interval
    if finding.p < statistics.LEVEL and (low > finding.neutral or high < finding.neutral):
        return _state(finding, finding.p, wanted)
    least, most = (1 / MARGIN_RATIO, MARGIN_RATIO) if finding.neutral else (-MARGIN, MARGIN)
    within = {"not lower": low >= least, "not higher": high <= most}
    return FOR if within.get(wanted) else OPEN


def _state(finding: Finding, p: float | None, wanted: str) -> str:
    if finding.effect is None or p is None:
        return OPEN
    if p < statistics.LEVEL:
        return (
            FOR
            if (finding.effect < finding.neutral) == (wanted in ("lower", "not higher"))
            else AGAINST
        )
    return FOR if wanted.startswith("not") else OPEN
