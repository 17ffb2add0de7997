"""The choice among settings: the one-standard-error rule over paired tuning seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nanocl.tuning.space import Setting


@dataclass(frozen=True)
class Trial:
    """What one setting reached.

    Attributes:
        setting: Its options.
        scores: Tuning seed to score, higher is better; None for a run that diverged or left an
            experience unmastered.
        learning: Tuning seed to the result on each experience right after training on it.
        cpu_seconds: What its runs took of the processor.
    """

    setting: Setting
    scores: Mapping[int, float | None]
    learning: Mapping[int, float | None]
    cpu_seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Mean score; minus infinity if a run diverged."""
        return _mean(self.scores)

    @property
    def mean_learning(self) -> float:
        """Mean learning accuracy."""
        return _mean(self.learning)


@dataclass(frozen=True)
class Choice:
    """The result of tuning.

    Attributes:
        winner: The setting chosen.
        best: The setting with the highest mean score.
        runner_up: The next best mean score among the others, if there is one.
        within: Settings within one standard error of the best, itself among them.
        separable: Whether winner and runner-up differ by more than two standard errors.
    """

    winner: Trial
    best: Trial
    runner_up: Trial | None
    within: int
    separable: bool


def choose(trials: Sequence[Trial]) -> Choice:
    """Among the settings within one standard error of the best, the one that learns best.

    The standard error is that of the paired difference over the tuning seeds that both have. The
    rule is that of Breiman et al., 1984, section 3.4.3, with the most plastic learner in the place
    of the simplest model: a setting that forgets less because it learns less gets no advantage from
    noise.

    Raises:
        ValueError: In every setting a run diverged or left an experience unmastered.
    """
    usable = [trial for trial in trials if trial.mean > -math.inf]
    if not usable:
        raise ValueError("in every setting a run diverged or left an experience unmastered")
    most_seeds = max(len(trial.scores) for trial in usable)
    usable = [trial for trial in usable if len(trial.scores) == most_seeds]
    best = max(usable, key=lambda trial: (trial.mean, trial.mean_learning))
    within = [trial for trial in usable if _difference(best, trial) <= _error(best, trial)]
    winner = max(within, key=lambda trial: (trial.mean_learning, trial.mean))
    others = [trial for trial in usable if trial is not winner]
    runner_up = max(others, key=lambda trial: trial.mean, default=None)
    separable = runner_up is not None and (
        abs(_difference(winner, runner_up)) > 2 * _error(winner, runner_up)
    )
    return Choice(winner, best, runner_up, len(within), separable)


def _pairs(one: Trial, other: Trial) -> list[float]:
    seeds = sorted(set(one.scores) & set(other.scores))
    return [float(one.scores[seed] or 0.0) - float(other.scores[seed] or 0.0) for seed in seeds]


def _difference(one: Trial, other: Trial) -> float:
    return statistics.fmean(_pairs(one, other))


def _error(one: Trial, other: Trial) -> float:
    """Standard error of the mean difference; 0 for a single seed."""
    pairs = _pairs(one, other)
    return statistics.stdev(pairs) / math.sqrt(len(pairs)) if len(pairs) > 1 else 0.0


def _mean(values: Mapping[int, float | None]) -> float:
    measured = [value for value in values.values() if value is not None]
    if not measured or len(measured) < len(values):
        return -math.inf
    return statistics.fmean(measured)
