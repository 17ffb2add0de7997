"""Adam's bias corrections as tables, for kernels whose entries differ in age."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

LONGEST = 1 << 19  # ages in a table at most; enough for a beta of 0.9999

Factors = tuple[np.ndarray, np.ndarray]


def corrections(
    beta1: float,
    beta2: float,
    since: int | None,
    real: type,
) -> Factors:
    """1 / (1 - beta1^age) and (1 - beta2^age)^(-1/2), for each age, or for the one age `since`."""
    if since is None:
        return _table(beta1, beta2, real)
    first = 1 / (1 - beta1**since)
    second = (1 - beta2**since) ** -0.5
    return np.array([first], real), np.array([second], real)


@lru_cache(maxsize=4)
def _table(beta1: float, beta2: float, real: type) -> Factors:
    """Factors for the ages 0, 1, ... until they are 1 in double precision; age 0 never occurs."""
    length = max(_length(beta1), _length(beta2))
    first = _factors(beta1, length, real)
    second = _factors(beta2, length, real, root=True)
    return first, second


def _length(beta: float, exponent: int = 37) -> int:
    """Ages until beta^age is below exp(-exponent), and age 0."""
    if beta <= 0:
        return 2
    ages = math.ceil(-exponent / math.log(beta))
    return min(LONGEST, 2 + ages)


# cached for each beta by itself: a schedule such as OneCycleLR changes beta1 in every step
@lru_cache(maxsize=8)
def _factors(
    beta: float,
    length: int,
    real: type,
    *,
    root: bool = False,
) -> np.ndarray:
    """1 / (1 - beta^age), or its root, for the ages below `length`."""
    factors: np.ndarray = np.ones(length, real)
    # from exp(-38) on, beta^age is lost in 1 - beta^age, and the factor is 1
    end = min(length, _length(beta, 38))
    age = np.arange(1, end, dtype=np.float64)
    bias = 1 - beta**age
    factors[1 : 1 + len(age)] = bias**-0.5 if root else 1 / bias
    return factors
