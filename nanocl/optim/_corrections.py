"""Factors of Adam's bias correction, where entries have ages of their own."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

LONGEST = 1 << 19  # ages told apart; enough for a beta of 0.9999


def corrections(beta1: float, beta2: float, since: int | None, real: type) -> tuple[np.ndarray, np.ndarray]:
    """1 / (1 - beta1 ** age) and (1 - beta2 ** age) ** -0.5, for each age, or for the one age `since`."""
    if since is None:
        return _table(beta1, beta2, real)
    return np.array([1 / (1 - beta1**since)], real), np.array([(1 - beta2**since) ** -0.5], real)


@lru_cache(maxsize=4)
def _table(beta1: float, beta2: float, real: type) -> tuple[np.ndarray, np.ndarray]:
    """Factors for the ages 0, 1, ... until they are 1 in double precision; age 0 never occurs."""
    slowest = max(beta1, beta2)
    length = 2 + (math.ceil(-37 / math.log(slowest)) if slowest > 0 else 0)
    age = np.arange(1, min(length, LONGEST), dtype=np.float64)
    first, second = 1 / (1 - beta1**age), (1 - beta2**age) ** -0.5
    return np.append(1, first).astype(real), np.append(1, second).astype(real)
