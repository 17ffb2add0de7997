"""The columns of tests within experiences (`--track-every`): online accuracy, the stability gap."""

from __future__ import annotations

from collections.abc import Sequence

from nanocl.reporting.columns import Evaluation, Undefined, metric


@metric(
    "online ACC",
    "mean over experiences of the result on each mini-batch before its step",
    "delange2023",
    optional=True,
)
def online_accuracy(run: Evaluation) -> float:
    """How well new samples are predicted before they are trained on: plasticity."""
    means = []
    for points in filter(None, _by_experience(run)):
        samples = sum(point["samples"] for point in points)
        means.append(sum(point["samples"] * point["online"] for point in points) / max(1, samples))
    return sum(means) / len(means)


@metric(
    "min-ACC",
    "mean_{j<T-1} of the lowest result on j within the experiences after j",
    "delange2023",
    optional=True,
)
def lowest_accuracy(run: Evaluation) -> float:
    """The worst case of what was learned, test by test; for losses the largest."""
    return run.sign * _mean(_lowest(run))


@metric(
    "WC-ACC",
    "R[T-1][T-1] / T + (1 - 1/T) min-ACC",
    "delange2023",
    optional=True,
)
def worst_case_accuracy(run: Evaluation) -> float:
    """Lower bound of the accuracy at the worst moment: plasticity and stability in one number."""
    share = 1 / len(run.rows())
    last = run.sign * run.trained_rows()[-1][-1]
    return run.sign * (share * last + (1 - share) * _mean(_lowest(run)))


@metric(
    "gap",
    "mean_{j<i} (result on j at the end of experience i minus the lowest within it)",
    optional=True,
    signed=True,
)
def stability_gap(run: Evaluation) -> float:
    """What is lost for a while in an experience and comes back by its end.

    The phenomenon is that of De Lange et al., 2023; they give no formula for its size.
    """
    gaps = []
    for experience, points in enumerate(_by_experience(run)):
        for j in range(experience if points else 0):
            results = [run.sign * point["row"][j] for point in points]
            gaps.append(results[-1] - min(results))
    return _mean(gaps)


def _by_experience(run: Evaluation) -> list[list[dict]]:
    """The points of each experience, in order; none for those that weights were trained on before.

    With `stream.start` the run begins with a later experience.
    """
    if not run.tracking:
        raise Undefined("there are no tests within experiences; --track-every K makes them")
    count = len(run.rows())
    groups: list[list[dict]] = [[] for _ in range(count)]
    for point in run.tracking:
        groups[point["experience"]].append(dict(point))
    start = run.tracking[0]["experience"]
    if not all(groups[start:]):
        raise Undefined("not every experience was trained and tested within")
    return groups


def _lowest(run: Evaluation) -> list[float]:
    """Of each experience but the last, the lowest signed result after it was trained."""
    groups = _by_experience(run)
    lowest = []
    for j in range(len(groups) - 1):
        later = [point for points in groups[j + 1 :] for point in points]
        lowest.append(min(run.sign * point["row"][j] for point in later))
    return lowest


def _mean(values: Sequence[float]) -> float:
    if not values:
        raise Undefined("it needs 2 experiences, the stream has 1")
    return sum(values) / len(values)
