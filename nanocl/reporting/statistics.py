"""Numbers over seeds: mean, spread and interval, paired tests, ranks. Seed s of one row pairs with seed s of another.

Intervals and tests come from scipy; it is imported where it is needed, so that `--help` does not
wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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
    """The mean's 95 % interval: Student's t below 20 values, percentile bootstrap from 20 on; None for one value."""
    if len(values) < 2:
        return None
    return _bootstrap(values) if len(values) >= BOOTSTRAP_FROM else _t_interval(values)


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Two-sided p-value of 'the paired differences are symmetric about 0', by flipping their signs.

    Exact over all 2^n sign patterns up to 16 differences, 9999 random patterns beyond.

    Raises:
        ValueError: Fewer than 3 differences.
    """
    from scipy.stats import permutation_test

    n = len(differences)
    if n < FEWEST_SEEDS:
        raise ValueError(f"a paired test needs at least {FEWEST_SEEDS} seeds in common, got {n}")
    outcome = permutation_test(
        (list(differences),),
        lambda sample, axis: sample.mean(axis=axis),
        permutation_type="samples",
        n_resamples=2**n if n <= EXACT_UP_TO else RESAMPLES,
        vectorized=True,
        rng=_generator(),
    )
    return float(outcome.pvalue)


def smallest_p_value(n: int) -> float:
    """The least p-value that `sign_flip_p_value` can give for n differences."""
    return 2.0 ** (1 - n) if n <= EXACT_UP_TO else 2 / (RESAMPLES + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down correction, in the order given.

    Source: Holm, 1979, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, so_far = [0.0] * len(p_values), 0.0
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
    """95 % interval of each row's rank (1 is best) when the seeds are drawn again with replacement.

    All rows see the same draw, so that what seeds have in common does not blur the ranks. In a draw
    without any seed of a row, that row keeps its mean over all its seeds.

    Args:
        scores: For each row, seed to score.
        higher: Whether more is better.

    Returns:
        (best, worst) rank of each row; all None where there are fewer than 3 seeds.
    """
    import numpy as np
    from scipy.stats import rankdata

    seeds = sorted(set().union(*scores))
    if len(seeds) < FEWEST_SEEDS:
        return [None] * len(scores)
    table = np.array([[row.get(seed, math.nan) for seed in seeds] for row in scores])
    draws = _generator().integers(len(seeds), size=(RESAMPLES, len(seeds)))
    means = np.stack([_mean_of_known(row[draws], row[~np.isnan(row)].mean()) for row in table])
    ranks = rankdata(-means if higher else means, method="min", axis=0)
    low = np.quantile(ranks, LEVEL / 2, axis=1, method="lower")
    high = np.quantile(ranks, 1 - LEVEL / 2, axis=1, method="higher")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def _mean_of_known(draws, otherwise: float):
    import numpy as np

    known = ~np.isnan(draws)
    count = known.sum(axis=1)
    return np.where(count, np.where(known, draws, 0).sum(axis=1) / np.maximum(count, 1), otherwise)


def _t_interval(values: Sequence[float]) -> tuple[float, float]:
    from scipy.stats import t

    half = float(t.ppf(1 - LEVEL / 2, len(values) - 1)) * deviation(values) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half


def _bootstrap(values: Sequence[float]) -> tuple[float, float]:
    from scipy.stats import bootstrap

    found = bootstrap(
        (list(values),),
        lambda sample, axis: sample.mean(axis=axis),
        vectorized=True,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=_generator(),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _generator():
    import numpy as np

    return np.random.default_rng(0)  # the same records must give the same page
