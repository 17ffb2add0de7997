"""What one setting says of a claim: mean, interval, test and state of its signed quantity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nanocl.reporting import statistics
from nanocl.studies.claims import ROUNDING, Quantity, Setting

FOR = "for"
AGAINST = "against"
EQUAL = "equal"
OPEN = "open"
NOT_MEASURED = "not measured"
STATES = (FOR, AGAINST, EQUAL, OPEN, NOT_MEASURED)
FEWEST_SEEDS = 10  # below, a setting stays open


@dataclass(frozen=True)
class Finding:
    """A setting and what it says.

    Attributes:
        setting: The setting.
        state: One of `STATES`.
        mean: Mean of the quantity over the seeds, or its exact value; None if not measured.
        interval: 95 % interval of the mean (Student's t), widened by the setting's resolution; None
            for an exact value.
    """

    setting: Setting
    state: str
    mean: float | None = None
    interval: tuple[float, float] | None = None

    @property
    def p(self) -> float | None:
        """Two-sided p-value of sign flips of this setting alone; None for an exact value."""
        if self.interval is None:
            return None
        return statistics.sign_flip_p_value(list(self.setting.values.values()))

    @property
    def remark(self) -> str:
        """Says that an effect within the margin is there all the same; empty otherwise."""
        if self.state != EQUAL or self.interval is None:
            return ""
        low, high = self.interval
        is_one_sided = low > ROUNDING or high < -ROUNDING
        return "not 0, but smaller than the margin" if is_one_sided else ""


def finding(setting: Setting, quantity: Quantity) -> Finding:
    """Mean, interval, test and state of a setting."""
    values = [setting.values[seed] for seed in sorted(setting.values)]
    if setting.missing:
        return Finding(setting, NOT_MEASURED)
    if setting.exact is not None:
        value = setting.exact
        return Finding(setting, state(value, (value, value), quantity.margin), value)
    ends = statistics.interval(values)
    if len(values) < statistics.FEWEST_SEEDS or ends is None:
        return Finding(setting, NOT_MEASURED)
    interval = (ends[0] - setting.resolution, ends[1] + setting.resolution)
    mean = statistics.mean(values)
    says = state(mean, interval, quantity.margin) if decides(setting) else OPEN
    return Finding(setting, says, mean, interval)


def decides(setting: Setting) -> bool:
    """Whether it has enough seeds, and no reason (`edge`) to decide nothing."""
    measured = not setting.missing and not setting.edge
    return measured and len(setting.values) >= FEWEST_SEEDS


def state(mean: float, interval: tuple[float, float], margin: float) -> str:
    """What mean and interval say; with the other sign `for` and `against` change places.

    Args:
        mean: Of the signed quantity.
        interval: Its 95 % interval.
        margin: At least 0.
    """
    low, high = interval
    if low > ROUNDING and mean > margin:
        return FOR
    if high < -ROUNDING and mean < -margin:
        return AGAINST
    return EQUAL if -margin < low and high < margin else OPEN


def log_ratios(
    first: Mapping[int, float | None],
    second: Mapping[int, float | None],
    *,
    floor: float = 0.0,
) -> dict[int, float]:
    """Logarithm of `first / second` for each seed in which both are defined and finite.

    Args:
        first, second: Seed to a value of at least 0.
        floor: Smaller values count as this one, so that a quantity may be 0.
    """
    logs, others = _logarithms(first, floor), _logarithms(second, floor)
    return {seed: logs[seed] - others[seed] for seed in sorted(logs.keys() & others.keys())}


def _logarithms(side: Mapping[int, float | None], floor: float) -> dict[int, float]:
    """Seed to the logarithm of its value; seeds without a positive finite value are left out."""
    logarithms = {}
    for seed, value in side.items():
        if value is not None and math.isfinite(value) and max(value, floor) > 0:
            logarithms[seed] = math.log(max(value, floor))
    return logarithms
