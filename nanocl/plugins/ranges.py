"""Checks of the values of options: each names the option, what was given and what would be right."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(
    name: str,
    value: float,
    least: float,
    most: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """`value`, if it is finite and in [least, most]; `above` and `below` leave an end out."""
    low = value > least if above else value >= least
    high = value < most if below else value <= most
    if not (low and high and math.isfinite(value)):
        left, right = "(" if above else "[", ")" if below or most == math.inf else "]"
        raise ValueError(f"{name} must be in {left}{least:g}, {most:g}{right}, got {value!r}")
    return value


def one_of(name: str, value: str, choices: Sequence[str]) -> str:
    """`value`, if it is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def at_least(name: str, value: int, least: int) -> int:
    """`value`, if it is not below `least`."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return value


def share(name: str, value: float) -> float:
    """`value`, if it is a share of a whole that leaves something over."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")
    return value
