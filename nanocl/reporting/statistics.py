"""Statistics over seeds: mean, deviation, interval, paired tests, ranks.

Seed s of one row pairs with seed s of another. scipy is imported inside the functions, because
`--help` must not wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
FEWEST_SEEDS = 3
BOOTSTRAP_FROM = 20
RESAMPLES = 9999
EXACT_UP_TO = 16


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
    if len(values) < 2:
        return None
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The mean's 95 % interval; None for one value.

    Student's t below 20 values, percentile bootstrap from 20 on.
    """
    if len(values) < 2:
        return None
    if len(values) >= BOOTSTRAP_FROM:
        return _bootstrap(values)
    return _t_interval(values)


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
    return slope, _t_quantile(n - 2) * math.sqrt(residuals / (n - 2) / square)


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that the paired differences are symmetric about 0.

    It flips their signs: all 2^n patterns up to 16 differences, 9999 random ones beyond.

    Raises:
        ValueError: Fewer than 3 differences.
    """
    n = len(differences)
    # with n = 2 the smallest possible p-value is 1/2
    if n < FEWEST_SEEDS:
        raise ValueError(f"a paired test needs at least {FEWEST_SEEDS} seeds in common, got {n}")
    import numpy as np

    values = np.array(differences)
    observed = values.mean()
    means = (_sign_patterns(n) * values).mean(axis=1)
    # a pattern as extreme as the observed one counts, although its sum may differ in the last bits
    tolerance = abs(observed) * 100 * np.finfo(float).eps
    lower = np.count_nonzero(means <= observed + tolerance)
    higher = np.count_nonzero(means >= observed - tolerance)
    ours = 0 if n <= EXACT_UP_TO else 1  # the observed pattern is not among the random ones
    return min(1.0, 2 * (min(lower, higher) + ours) / (len(means) + ours))


@cache
def _sign_patterns(n: int) -> NDArray:
    """Rows of n signs: all 2^n, or `RESAMPLES` random ones."""
    import numpy as np

    if n <= EXACT_UP_TO:
        negative = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        # a random order of (0, 1) for each sign, as scipy.stats.permutation_test draws them
        orders = np.tile(np.arange(2), (RESAMPLES, n, 1))
        negative = _generator().permuted(orders, axis=-1)[..., 0]
    return (1 - 2 * negative).astype(np.int8)


def smallest_p_value(n: int) -> float:
    """The smallest p-value that `sign_flip_p_value` can return for n differences."""
    if n <= EXACT_UP_TO:
        return 2.0 ** (1 - n)
    return 2 / (RESAMPLES + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down correction, in the order given.

    Source: Holm, 1979, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    # p_(k) * (m - k + 1), made monotone: a p-value is never below that of an earlier one
    corrected = [0.0] * len(p_values)
    so_far = 0.0
    for position, index in enumerate(order):
        so_far = max(so_far, min(1.0, (len(p_values) - position) * p_values[index]))
        corrected[index] = so_far
    return tuple(corrected)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[float, ...]:
    """`first - second` over the seeds they share, ascending."""
    return tuple(first[seed] - second[seed] for seed in sorted(first.keys() & second.keys()))


def rank_intervals(
    scores: Sequence[Mapping[int, float]], *, higher: bool = True
) -> list[tuple[int, int] | None]:
    """95 % interval of each row's rank (1 is best) when seeds are resampled with replacement.

    All rows see the same draw: effects that a seed has on every row do not widen the intervals. In
    a draw without any seed of a row, that row keeps its mean over all its seeds.

    Args:
        scores: For each row, seed to score.
        higher: Whether more is better.

    Returns:
        (best, worst) rank of each row; all None with fewer than 3 seeds.
    """
    import numpy as np

    seeds = sorted(set().union(*scores))
    if len(seeds) < FEWEST_SEEDS:
        return [None] * len(scores)
    table = np.full((len(scores), len(seeds)), math.nan)
    for row, score in zip(table, scores, strict=True):
        row[:] = [score.get(seed, math.nan) for seed in seeds]
    # bootstrap: every draw takes as many seeds as there are, and gives every row a mean and a rank
    means = np.stack([_means_of_draws(row, _draws(len(seeds))) for row in table])
    ranks = np.stack([_ranks_of(row, means, higher) for row in means])
    low = np.quantile(ranks, LEVEL / 2, axis=1, method="lower")
    high = np.quantile(ranks, 1 - LEVEL / 2, axis=1, method="higher")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def _means_of_draws(row: NDArray, draws: NDArray) -> NDArray:
    """The mean of the measured seeds in each draw; the row's own mean if a draw has none."""
    import numpy as np

    values = row[draws]
    measured = ~np.isnan(values)
    count = measured.sum(axis=1)
    sums = np.where(measured, values, 0).sum(axis=1)
    return np.where(count, sums / np.maximum(count, 1), row[~np.isnan(row)].mean())


def _ranks_of(row: NDArray, means: NDArray, higher: bool) -> NDArray:
    """The rank of a row in each draw: 1 and the number of rows that are better."""
    better = means > row if higher else means < row
    return 1 + better.sum(axis=0)


def _t_interval(values: Sequence[float]) -> tuple[float, float]:
    # mean ± t_{n-1} * s / sqrt(n)
    half = _t_quantile(len(values) - 1) * (deviation(values) or 0.0) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half


@cache
def _t_quantile(freedom: int) -> float:
    """Student's t at 97.5 %. scipy.stats has it, too, but takes half a second to import."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - LEVEL / 2))


def _bootstrap(values: Sequence[float]) -> tuple[float, float]:
    import numpy as np

    means = np.array(values)[_draws(len(values))].mean(axis=1)
    low, high = np.quantile(means, (LEVEL / 2, 1 - LEVEL / 2))
    return float(low), float(high)


@cache
def _draws(n: int) -> NDArray:
    """`RESAMPLES` rows of n indices below n; the same for all rows of a table."""
    return _generator().integers(n, size=(RESAMPLES, n))


def _generator() -> Generator:
    import numpy as np

    return np.random.default_rng(0)  # the same records must give the same page
