"""Factors of Adam's bias correction, where entries have ages of their own."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

LONGEST = 1 << 19  # ages told apart; enough for a beta of 0.9999


def corrections(
    beta1: float, beta2: float, since: int | None, real: type
) -> tuple[np.ndarray, np.ndarray]:
    """1 / (1 - beta1 ** age) and (1 - beta2 ** age) ** -0.5, for each age, or for the one age `since`."""
    if since is None:
        return _table(beta1, beta2, real)
    return np.array([1 / (1 - beta1**since)], real), np.array([(1 - beta2**since) ** -0.5], real)


@lru_cache(maxsize=4)
def _table(beta1: float, beta2: float, real: type) -> tuple[np.ndarray, np.ndarray]:
    """Factors for the ages 0, 1, ... until they are 1 in double precision; age 0 never occurs."""
    length = max(_length(beta1), _length(beta2))
    return _factors(beta1, length, real), _factors(beta2, length, real, root=True)


def _length(beta: float, exponent: int = 37) -> int:
    """Ages until beta ** age is below exp(-exponent), and 0."""
    return min(LONGEST, 2 + (math.ceil(-exponent / math.log(beta)) if beta > 0 else 0))


@lru_cache(
    maxsize=8
)  # each beta on its own: a schedule such as OneCycleLR changes the short one in every step
def _factors(beta: float, length: int, real: type, *, root: bool = False) -> np.ndarray:
    """1 / (1 - beta ** age), or its root, for the ages below `length`; the beginning is computed, the rest is 1."""
    factors = np.ones(length, real)
    age = np.arange(
        1, min(length, _length(beta, 38)), dtype=np.float64
    )  # exp(-38) is lost in 1 - exp(-38)
    factors[1 : 1 + len(age)] = (1 - beta**age) ** -0.5 if root else 1 / (1 - beta**age)
    return factors
