"""Settings proposed by a tree-structured Parzen estimator, from the results so far.

The sequence of proposals depends on the results and a fixed seed only, so that a search that was
interrupted goes on from the records, without a storage of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nanocl.records import UserError, extras
from nanocl.tuning.choice import Choice, Trial, choose
from nanocl.tuning.search import FIRST_SEED, SEEDS, Results, trial_of
from nanocl.tuning.space import Axis, Setting, rounded

SEED = 0


@dataclass(frozen=True)
class Sampled:
    """A search by Optuna's TPE sampler.

    Source: Bergstra, Bardenet, Bengio and Kegl, 2011; Akiba et al., 2019, arXiv:1907.10902.

    Attributes:
        axes: The options with their ranges: the first and the last value.
        trials_wanted: Settings to try.
        cpu_seconds: No setting is proposed after the runs took so many CPU seconds.
        seeds: Number of tuning seeds.
        growths: 0: the ranges stay.
    """

    axes: tuple[Axis, ...]
    trials_wanted: int
    cpu_seconds: float = math.inf
    seeds: int = SEEDS
    growths: int = 0

    @property
    def words(self) -> str:
        """What is tried, for people."""
        limit = "" if self.cpu_seconds == math.inf else f" or {self.cpu_seconds:g} CPU seconds"
        ranges = " and ".join(
            f"{axis.part}.{axis.option} in [{axis.values[0]:g}, {axis.values[-1]:g}]"
            for axis in self.axes
        )
        return f"{self.trials_wanted} settings{limit} proposed by TPE for {ranges}"

    def settled(self, results: Results) -> tuple[Sampled, list[tuple[Setting, int]]]:
        """The search, and the runs of the next setting; none: it is over."""
        for setting in self._proposals(results):
            todo = [(setting, seed) for seed in self._seeds() if (setting, seed) not in results]
            if todo:
                return self, todo
        return self, []

    def trials(self, results: Results) -> list[Trial]:
        """What each setting has reached, in the order in which they were proposed."""
        settings = dict.fromkeys(self._proposals(results))
        return [trial_of(setting, results, self._seeds()) for setting in settings]

    def choice(self, results: Results) -> Choice:
        """The setting to use.

        Raises:
            ValueError: In every setting a run diverged.
        """
        return choose(self.trials(results))

    def _seeds(self) -> range:
        return range(FIRST_SEED, FIRST_SEED + self.seeds)

    def _proposals(self, results: Results) -> Iterator[Setting]:
        """The settings so far: those that are measured, and the next one."""
        optuna: Any = _optuna()
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=SEED)
        )
        spent = 0.0
        for _ in range(self.trials_wanted):
            if spent >= self.cpu_seconds:
                return
            proposal = study.ask()
            setting = tuple(self._value(proposal, axis) for axis in self.axes)
            yield setting
            trial = trial_of(setting, results, self._seeds())
            if len(trial.scores) < self.seeds:
                return
            spent += trial.cpu_seconds
            diverged = trial.mean == -math.inf
            state = optuna.trial.TrialState.FAIL if diverged else None
            study.tell(proposal, None if diverged else trial.mean, state=state)

    def _value(self, proposal: Any, axis: Axis) -> tuple[str, str, float]:
        value = proposal.suggest_float(
            f"{axis.part}.{axis.option}", axis.values[0], axis.values[-1], log=True
        )
        return axis.part, axis.option, rounded(value)


def _optuna() -> Any:
    try:
        import optuna  # here, because the grid needs none of it
    except ImportError as error:
        raise UserError(
            f"--trials needs the package optuna; {extras.command('tune')} ({error})"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
