"""All pairs of rows compared at once, and the bands of rows that the comparison cannot separate.

The test is the step-down max-|t| procedure of Westfall and Young, 1993, Resampling-Based Multiple
Testing, algorithm 2.8. The seed is the unit: one flip of a seed changes the sign of that seed's
difference in every pair, so what a seed does to all rows stays in the comparison. |t| is the paired
t statistic. It controls the error of the whole family.
"""

from __future__ import annotations

import functools
import math
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_UP_TO = 16  # seeds, from which on flips are drawn
DRAWN = 100_000
DRAWN_WITH = 0  # the seed of the generator: the same records must give the same page
BLOCK = 4096  # flips at a time, to bound the memory
SUMS = 2**18  # sums at a time: few pairs take more flips, because each block costs a few calls
KEPT_UP_TO = 32  # seeds, whose signs take 25 MB; of more seeds a byte a flip is kept
ROUNDING = 1e-12  # equal statistics differ by this much in the last bits


def p_values(scores: NDArray) -> NDArray:
    """Adjusted p-value of every pair of rows, two-sided.

    Args:
        scores: Shape (rows, seeds), paired by seed.

    Returns:
        Shape (rows, rows), symmetric, 1 on the diagonal.
    """
    import numpy as np

    matrix = np.ones((len(scores), len(scores)))
    first, second = np.triu_indices(len(scores), 1)
    if first.size:
        adjusted = step_down(scores[first] - scores[second])
        matrix[first, second] = matrix[second, first] = adjusted
    return matrix


def step_down(differences: NDArray) -> NDArray:
    """Adjusted two-sided p-values of paired differences, by joint sign flips of their seeds.

    Exact over all 2^(n-1) flips of n seeds up to 16 (a flip of all seeds changes no |t|), else over
    100,000 drawn ones and the observed one.

    Args:
        differences: Shape (pairs, seeds).
    """
    import numpy as np

    directions = _directions(differences)
    observed = abs(directions.sum(axis=1))
    order = np.argsort(-observed, kind="stable")
    directions, bars = directions[order], observed[order] - ROUNDING
    count = len(directions)
    exceeded, flips = np.zeros(count), 0
    for signs in sign_flips(differences.shape[1], max(BLOCK, SUMS // count)):
        sums = abs(signs @ directions.T)
        if count > 1:
            # step down: the largest of a pair and of those with a smaller |t|
            sums = np.maximum.accumulate(sums[:, ::-1], axis=1)[:, ::-1]
        exceeded += np.count_nonzero(sums >= bars, axis=0)
        flips += len(signs)
    observed_too = 0 if differences.shape[1] <= EXACT_UP_TO else 1
    adjusted = np.empty(count)
    # monotone: no pair has a smaller p-value than one with a larger |t|
    adjusted[order] = np.maximum.accumulate((exceeded + observed_too) / (flips + observed_too))
    return adjusted


def critical_value(scores: NDArray, level: float) -> float:
    """The |t| that some pair exceeds with probability `level` if no two rows differ.

    It comes from the flips of this table after each row is moved to mean 0.

    Args:
        scores: Shape (rows, seeds), at least 2 rows.
        level: Error of the whole family.
    """
    import numpy as np

    centred = scores - scores.mean(axis=1, keepdims=True)
    first, second = np.triu_indices(len(scores), 1)
    directions = _directions(centred[first] - centred[second])
    n = scores.shape[1]
    largest = [abs(signs @ directions.T).max(axis=1) for signs in sign_flips(n)]
    bar = float(np.quantile(np.concatenate(largest), 1 - level, method="higher"))
    # from the sum of a unit vector back to t
    return math.sqrt((n - 1) * bar**2 / max(n - bar**2, ROUNDING))


def sign_flips(n: int, block: int = BLOCK) -> Iterator[NDArray]:
    """Blocks (flips, n) of signs 1 and -1: all whose first sign is 1, or random ones."""
    if n > KEPT_UP_TO:
        yield from map(_signs, _drawn(n))
        return
    signs = _kept(n)
    for start in range(0, len(signs), block):
        yield signs[start : start + block]


@functools.lru_cache(maxsize=4)  # a page of claims has hundreds of tests on few numbers of seeds
def _kept(n: int) -> NDArray:
    import numpy as np

    bits = np.concatenate([*(_every(n) if n <= EXACT_UP_TO else _drawn(n))])
    # a seed's signs side by side: a product with one pair takes 0.6 of the time
    return _signs(bits, "F")


def _signs(negative: NDArray, order: Literal["C", "F"] = "C") -> NDArray:
    import numpy as np

    signs = np.multiply(negative, -2.0, order=order)
    signs += 1.0
    return signs


def _every(n: int) -> Iterator[NDArray]:
    """Blocks of all bits of n - 1 seeds behind a first one that is 0."""
    import numpy as np

    total = 2 ** (n - 1)
    for start in range(0, total, BLOCK):
        numbers = np.arange(start, min(start + BLOCK, total))
        yield numbers[:, None] >> np.arange(n)[::-1] & 1


@functools.lru_cache(maxsize=1)  # the tests of one board ask for them in turn
def _drawn(n: int) -> tuple[NDArray, ...]:
    """Blocks of random bits, a byte for each."""
    import numpy as np

    generator = np.random.default_rng(DRAWN_WITH)
    sizes = [min(BLOCK, DRAWN - start) for start in range(0, DRAWN, BLOCK)]
    return tuple(generator.integers(2, size=(size, n)).astype(bool) for size in sizes)


def bands(separable: Sequence[Sequence[bool]]) -> list[tuple[int, ...]]:
    """Maximal sets of rows without a separable pair, ordered by their first rows.

    By the insert-and-absorb algorithm of compact letter displays (Piepho, 2004, Journal of
    Computational and Graphical Statistics 13(2), 456-466): a set with a separable pair becomes two,
    each without one row of the pair; sets within another are dropped.

    Args:
        separable: Symmetric, for every two rows.
    """
    count = len(separable)
    sets = [frozenset(range(count))] if count else []
    for i in range(count):
        for j in range(i + 1, count):
            if separable[i][j]:
                sets = _absorbed(_split(sets, i, j))
    return sorted(tuple(sorted(rows)) for rows in sets)


def letters(separable: Sequence[Sequence[bool]]) -> list[str]:
    """The compact letter display: rows share a letter exactly if they cannot be separated.

    A band gets no letter if each pair of its rows shares the letter of another band.
    """
    shown = [""] * len(separable)
    for number, rows in enumerate(_needed(bands(separable))):
        for row in rows:
            shown[row] += _letter(number)
    return shown


def _needed(sets: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The sets without those whose pairs are all in other sets, the smallest dropped first."""
    holders = Counter(pair for rows in sets for pair in combinations_with_replacement(rows, 2))
    needed = {*sets}
    for rows in sorted(sets, key=lambda rows: (len(rows), rows)):
        own = [*combinations_with_replacement(rows, 2)]
        if all(holders[pair] > 1 for pair in own):
            needed.remove(rows)
            holders.subtract(own)
    return sorted(needed)


def _letter(number: int) -> str:
    """a to z, A to Z, then a1, b1, and so on."""
    cycle, place = divmod(number, len(string.ascii_letters))
    return string.ascii_letters[place] + (str(cycle) if cycle else "")


def _split(sets: Sequence[frozenset[int]], i: int, j: int) -> Iterator[frozenset[int]]:
    for rows in sets:
        if i in rows and j in rows:
            yield rows - {i}
            yield rows - {j}
        else:
            yield rows


def _absorbed(sets: Iterator[frozenset[int]]) -> list[frozenset[int]]:
    """The sets that lie in no other."""
    kept: list[frozenset[int]] = []
    for rows in sorted(set(sets), key=len, reverse=True):
        if not any(rows < other for other in kept):
            kept.append(rows)
    return kept


def _directions(differences: NDArray) -> NDArray:
    """The differences of each pair at length 1, or 0 where they all are.

    The sum of a direction takes the place of t: flips leave the length alone, so |t| grows with the
    sum, and a difference without any spread has no infinite value.
    """
    import numpy as np

    length = np.sqrt((differences**2).sum(axis=1, keepdims=True))
    return differences / np.where(length, length, 1.0)
