"""Claims of papers, their measured effects and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FOR = "for"
AGAINST = "against"
OPEN = "open"
PAPER = "Zhou et al., 2025, arXiv:2506.21374"  # whose claims we test


@dataclass(frozen=True)
class Finding:
    """One measured effect in one setting.

    Attributes:
        comparison: Its name, e.g. `A_keep, nano / gradient`.
        effect: For a ratio the geometric mean over the seeds, for a difference the mean; None if
            nothing could be measured.
        interval: Its 95 % interval, or None.
        p: Two-sided p-value, corrected over the settings; None without a test.
        seeds: Number of seeds.
        state: `for`, `against` or `open`.
        medians: For a ratio, the medians of its two sides.
        neutral: The effect that means no difference: 1 for a ratio, 0 for a difference.
        unit: Unit of the effect, empty for a ratio.
        joint: Whether `p` comes from one test over the seeds of all settings.
    """

    comparison: str
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
        return f"{self.comparison}{self._numbers()}"

    def without_name(self) -> str:
        """The numbers and the state, for a table whose header names the comparison."""
        return self._numbers().lstrip(": ")

    def _numbers(self) -> str:
        if self.effect is None:
            return f": not measured ({self.seeds} seeds)"
        sides = ""
        if self.medians:
            sides = f" (medians {self.medians[0]:.2g} and {self.medians[1]:.2g})"
        effect = f"{self.effect:+.3g}" if self.neutral == 0 else f"{self.effect:.3g}"
        ends = ""
        if self.interval:
            ends = f" [{self.interval[0]:.3g}, {self.interval[1]:.3g}]"
        unit = f" {self.unit}" if self.unit else ""
        seeds = f", {self.seeds} seeds" if self.seeds else ""
        return f"{sides} {effect}{ends}{unit}{self._p_value()}{seeds}: {self.state}"

    def _p_value(self) -> str:
        if self.p is None:
            return ""
        kind = "joint p" if self.joint else "p"
        return f", {kind} < 0.001" if self.p < 1e-3 else f", {kind} = {self.p:.2g}"


@dataclass(frozen=True)
class Claim:
    """A row of the page of claims.

    Attributes:
        claim: The claim in one sentence.
        source: Where it is made, with the published numbers.
        ran: Our runs that test it.
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
        """The verdict over all settings.

        `holds` if every setting meets the claim, `does not hold` if none does and at least one
        contradicts it, `undecided` if none does either, else the settings on which it depends.
        """
        effects = [finding.effect for row in self.findings.values() for finding in row]
        if all(effect is None for effect in effects):
            return "not measured"
        met, against, undecided = (self.settings(state) for state in (FOR, AGAINST, OPEN))
        if len(met) == len(self.findings):
            return "holds"
        if not met:
            return "does not hold" if against else "undecided"
        parts = [f"holds with {'; '.join(met)}"]
        if against:
            parts.append(f"Does not hold with {'; '.join(against)}")
        if undecided:
            parts.append(f"Undecided with {'; '.join(undecided)}")
        return "depends on the setting: " + ". ".join(parts)

    @property
    def short_verdict(self) -> str:
        """The verdict on one line: with more than four settings, counts instead of their names."""
        if not self.verdict.startswith("depends") or len(self.findings) <= 4:
            return self.verdict
        met, against, undecided = (len(self.settings(state)) for state in (FOR, AGAINST, OPEN))
        return (
            f"depends on the setting: holds in {met} of {len(self.findings)}, "
            f"does not hold in {against}, undecided in {undecided}"
        )

    def state(self, setting: str) -> str:
        """`for` if every finding of the setting is, `against` if one is, else `open`."""
        states = {finding.state for finding in self.findings[setting]}
        if states == {FOR}:
            return FOR
        return AGAINST if AGAINST in states else OPEN

    def settings(self, state: str) -> list[str]:
        """The settings in this state."""
        return [setting for setting in self.findings if self.state(setting) == state]

    @property
    def tally(self) -> str:
        """For each comparison, how many settings speak for the claim and how many against it."""
        counts = []
        for column in zip(*self.findings.values(), strict=True):
            states = [finding.state for finding in column]
            counts.append(
                f"{column[0].comparison}: for in {states.count(FOR)}, against in "
                f"{states.count(AGAINST)} of {len(column)}"
            )
        return "; ".join(counts)


@dataclass(frozen=True)
class Chapter:
    """The claims that one study tests, as a chapter of `CLAIMS.md`.

    Attributes:
        title: Its heading.
        claims: The claims with their verdicts.
        notes: Paragraphs that stand above all chapters: rules, links to the pages of the study.
        opens_page: Whether `CLAIMS.md` is written even if no other chapter opens it.
    """

    title: str
    claims: Sequence[Claim]
    notes: Sequence[str] = ()
    opens_page: bool = False
