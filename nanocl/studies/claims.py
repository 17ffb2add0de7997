"""Claims of papers: one signed quantity each, and the settings in which we measured it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PAPER = "Zhou et al., 2025, arXiv:2506.21374"  # whose claims we test
POINTS = 2.0  # margin of a difference in accuracy
FACTOR = 1.25  # margin of a ratio
ROUNDING = 1e-9  # a number this near to 0 is 0


@dataclass(frozen=True)
class Quantity:
    """What is positive if the claim is true; its opposite is the same quantity with the other sign.

    Attributes:
        words: Its name, e.g. `old-task accuracy, nanoadam - adamw`, or `drift, adamw / nanoadam`.
        unit: Unit of a difference; empty for a ratio and for a plain number.
        ratio: Whether it is a ratio: its values are natural logarithms then.
        margin: Least mean that counts as a difference, at least 0, in the unit of the values.
    """

    words: str
    unit: str = ""
    ratio: bool = False
    margin: float = 0.0

    def shown(self, value: float) -> str:
        """A value for readers: a ratio instead of its logarithm, any other but 0 with its sign."""
        if self.ratio:
            return f"{math.exp(value):.3g}"
        return f"{value:+.3g}" if abs(value) > ROUNDING else "0"

    @property
    def margin_words(self) -> str:
        """The margin for readers."""
        if not self.margin:
            return "none"
        if self.ratio:
            return f"a factor of {math.exp(self.margin):.3g}"
        return f"{self.margin:g} {self.unit}".strip()


def points(words: str) -> Quantity:
    """A difference in accuracy, in points."""
    return Quantity(words, "points", margin=POINTS)


def ratio(words: str) -> Quantity:
    """A ratio: above 1 speaks for the claim."""
    return Quantity(words, ratio=True, margin=math.log(FACTOR))


@dataclass(frozen=True)
class Setting:
    """One pair of data sets, order and regime, or one condition of a simulation.

    Attributes:
        name: For readers.
        values: Seed to the signed quantity; positive speaks for the claim.
        exact: The quantity where no seed changes it, such as a number of bytes; else None.
        resolution: How far each value may be off in either direction, because of the spacing of a
            grid; it widens the interval.
        missing: Why nothing is measured here; empty if something is.
        edge: Why the setting decides nothing though it is measured: readings that lie at an end of
            a grid, seeds that diverged.
        note: What else a reader must know, such as seeds without a reading.
    """

    name: str
    values: Mapping[int, float] = field(default_factory=dict)
    exact: float | None = None
    resolution: float = 0.0
    missing: str = ""
    edge: str = ""
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """A row of the page of claims.

    Attributes:
        claim: The claim in one sentence.
        source: Where it is made, with the published numbers.
        ran: Our runs that test it.
        quantity: What the claim says is positive.
        settings: Where it was measured; the first is the one that the source describes.
        missing: Why nothing is measured, where there is no setting.
        family: Claims of one family share their seeds if these have equal numbers.
    """

    claim: str
    source: str
    ran: str
    quantity: Quantity
    settings: Sequence[Setting] = ()
    missing: str = "no records"
    family: str = ""


@dataclass(frozen=True)
class Chapter:
    """The claims that one study tests, as a chapter of `CLAIMS.md`.

    Attributes:
        title: Its heading.
        claims: The claims.
        notes: Paragraphs that stand above all chapters: rules, links to the pages of the study.
        opens_page: Whether `CLAIMS.md` is written even if no other chapter opens it.
        central: Texts of the claims whose verdicts the first paragraph of the page states.
    """

    title: str
    claims: Sequence[Claim]
    notes: Sequence[str] = ()
    opens_page: bool = False
    central: Sequence[str] = ()
