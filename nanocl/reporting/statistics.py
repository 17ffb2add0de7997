"""Statistics over seeds: mean, deviation, interval, paired test, intervals of ranks.

Seed s of one row pairs with seed s of another. All pairs of rows at once are compared in
`nanocl.reporting.pairs`. numpy is imported inside the functions, because `--help` must not wait
for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from nanocl.reporting import pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
FEWEST_SEEDS = 3
FEWEST_TESTED = 6  # below, no sign-flip test reaches the level: 2^(1-n) > 0.05
RESAMPLES = 9999
UNBOUNDED = (-math.inf, math.inf)


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean.

    Raises:
        ValueError: No values.
    """
    if not values:
        raise ValueError("a mean needs at least 1 value, got none")
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float | None:
    """Standard deviation with n - 1 in the denominator; None for one value."""
    return _deviation(tuple(values)) if len(values) > 1 else None


@lru_cache(maxsize=2**15)  # tables in several formats and for a terminal ask for the same ones
def _deviation(values: tuple[float, ...]) -> float:
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def interval(
    values: Sequence[float], bounds: tuple[float, float] = UNBOUNDED
) -> tuple[float, float] | None:
    """The mean's 95 % interval by Student's t; None for one value.

    Its ends are clipped to the bounds of the quantity, such as 0 and 1 for an accuracy.
    """
    if len(values) < 2:
        return None
    middle, spread = mean(values), deviation(values) or 0.0
    # mean ± t_{n-1} * s / sqrt(n)
    half = t_quantile(len(values) - 1) * spread / math.sqrt(len(values))
    low, high = bounds
    return max(low, middle - half), min(high, middle + half)


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """The slope of the least-squares line, and half the width of its 95 % interval (Student's t).

    Raises:
        ValueError: Fewer than 3 points, or all at the same x.
    """
    n = len(xs)
    x, y = mean(xs), mean(ys)
    # sums over (x_i - mean)^2, (x_i - mean)(y_i - mean), (y_i - mean)^2
    square = math.fsum((one - x) ** 2 for one in xs)
    product = math.fsum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    if n < 3 or not square:
        raise ValueError(f"a line needs at least 3 points at different x, got {n} at {xs[0]}...")
    slope = product / square
    residuals = math.fsum((b - y - slope * (a - x)) ** 2 for a, b in zip(xs, ys, strict=True))
    # two degrees of freedom go to slope and intercept
    return slope, t_quantile(n - 2) * math.sqrt(residuals / (n - 2) / square)


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that the paired differences are symmetric about 0.

    It is the test of `nanocl.reporting.pairs` with one pair: exact up to 16 differences.

    Raises:
        ValueError: Fewer than 3 differences.
    """
    n = len(differences)
    # with n = 2 the smallest possible p-value is 1/2
    if n < FEWEST_SEEDS:
        raise ValueError(f"a paired test needs at least {FEWEST_SEEDS} seeds in common, got {n}")
    return _sign_flip(tuple(differences))


@lru_cache(maxsize=4096)  # a page of claims and the page of its study ask for the same ones
def _sign_flip(differences: tuple[float, ...]) -> float:
    import numpy as np

    return float(pairs.step_down(np.array([differences]))[0])


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[float, ...]:
    """`first - second` over the seeds they share, ascending."""
    return tuple(first[seed] - second[seed] for seed in sorted(first.keys() & second.keys()))


def rank_intervals(scores: NDArray, *, higher: bool = True) -> list[tuple[int, int]]:
    """95 % interval of each row's rank (1 is best) when seeds are resampled with replacement.

    All rows see the same draw: effects that a seed has on every row do not widen the intervals.

    Args:
        scores: Shape (rows, seeds).
        higher: Whether more is better.

    Returns:
        (best, worst) rank of each row.
    """
    import numpy as np

    seeds = scores.shape[1]
    # the same records must give the same page
    draws = np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))
    means = np.stack([row[draws].mean(axis=1) for row in scores])
    ranks = np.stack([_ranks_of(row, means, higher) for row in means])
    low = np.quantile(ranks, LEVEL / 2, axis=1, method="lower")
    high = np.quantile(ranks, 1 - LEVEL / 2, axis=1, method="higher")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def _ranks_of(row: NDArray, means: NDArray, higher: bool) -> NDArray:
    """The rank of a row in each draw: 1 and the number of rows that are better."""
    better = means > row if higher else means < row
    return 1 + better.sum(axis=0)


@cache
def t_quantile(freedom: int) -> float:
    """Student's t at 97.5 %. scipy has it, too, but takes a tenth of a second to import.

    With t = sqrt(n) tan(a), the probability of |T| < t is the integral of cos^(n-1) from 0 to a, in
    parts of that to pi / 2 (Abramowitz and Stegun, 1964, 26.7.3 and 26.7.4). It bends downwards,
    so that Newton's steps from 0 do not pass its solution.
    """
    wanted = CONFIDENCE * _integral(math.pi / 2, freedom - 1)
    angle, step = 0.0, 1.0
    while step > 1e-15:
        step = (wanted - _integral(angle, freedom - 1)) / math.cos(angle) ** (freedom - 1)
        angle += step
    return math.sqrt(freedom) * math.tan(angle)


def _integral(angle: float, power: int) -> float:
    """The integral of cos^power from 0 to the angle, by parts from power 0 or 1 on."""
    cosine, sine = math.cos(angle), math.sin(angle)
    total = sine if power % 2 else angle
    for k in range(2 + power % 2, power + 1, 2):
        total = (cosine ** (k - 1) * sine + (k - 1) * total) / k
    return total
