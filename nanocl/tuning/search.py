"""Which settings are tried on which seeds, from the results so far: a search can stop anywhere.

The procedure is that of a grid with equal budget for every learner. One option: 6 values on 4
seeds. Two options: 6 x 4 values on 2 seeds, then the 3 best on 4. Where the best setting lies at an
end of the grid, the grid grows there by two values, at most `GROWTHS` times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nanocl.tuning import space
from nanocl.tuning.choice import Choice, Trial, choose
from nanocl.tuning.space import Axis, Setting

FIRST_SEED = 1000  # tuning seeds are never reported
SEEDS = 4
SEEDS_OF_PAIRS = 2  # in the first look at two options
BEST = 3  # of those, settings that get all seeds
GROWTHS = 3

Results = Mapping[tuple[Setting, int], "Score"]


@dataclass(frozen=True)
class Score:
    """One run of one setting; None where it diverged.

    Attributes:
        score: Higher is better.
        learning: The result on each experience right after training on it.
        cpu_seconds: Of training.
    """

    score: float | None
    learning: float | None
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Search:
    """A grid search over one or two options.

    Attributes:
        axes: The options with their values.
        seeds: Number of tuning seeds.
        growths: How often the grid has grown.
    """

    axes: tuple[Axis, ...]
    seeds: int = SEEDS
    growths: int = 0

    def settled(self, results: Results) -> tuple[Search, list[tuple[Setting, int]]]:
        """The search with its present grid, and the runs that it still needs; none: it is over."""
        search = self
        while True:
            todo = search.missing(results)
            if todo:
                return search, todo
            grown = search._grown(results)
            if grown is search:
                return search, []
            search = grown

    def missing(self, results: Results) -> list[tuple[Setting, int]]:
        """The runs that the present grid still needs."""
        settings = space.grid(self.axes)
        first = range(FIRST_SEED, FIRST_SEED + self._first_seeds)
        todo = [(s, seed) for seed in first for s in settings if (s, seed) not in results]
        if todo or self._first_seeds == self.seeds:
            return todo
        best = self._best_of_first(results)
        return [(s, seed) for seed in self._every_seed() for s in best if (s, seed) not in results]

    def trials(self, results: Results) -> list[Trial]:
        """What each setting of the grid has reached, in the order of the grid."""
        return [trial_of(setting, results, self._every_seed()) for setting in space.grid(self.axes)]

    def choice(self, results: Results) -> Choice:
        """The setting to use.

        Raises:
            ValueError: In every setting a run diverged.
        """
        return choose(self.trials(results))

    @property
    def words(self) -> str:
        """What is tried, for people."""
        grid = " x ".join(str(len(axis.values)) for axis in self.axes)
        names = " x ".join(f"{axis.part}.{axis.option}" for axis in self.axes)
        return f"{grid} values of {names}"

    def _every_seed(self) -> range:
        return range(FIRST_SEED, FIRST_SEED + self.seeds)

    @property
    def _first_seeds(self) -> int:
        return self.seeds if len(self.axes) == 1 else min(SEEDS_OF_PAIRS, self.seeds)

    def _best_of_first(self, results: Results) -> list[Setting]:
        """The settings with the highest means on the first seeds."""
        first = range(FIRST_SEED, FIRST_SEED + self._first_seeds)
        trials = [trial_of(setting, results, first) for setting in space.grid(self.axes)]
        trials = [trial for trial in trials if trial.mean > -math.inf]
        trials.sort(key=self._preference, reverse=True)
        return [trial.setting for trial in trials[:BEST]]

    def _preference(self, trial: Trial) -> tuple[float, float, int]:
        """Of equal means the one that learns better, then one inside the grid."""
        return trial.mean, trial.mean_learning, -len(space.edges(trial.setting, self.axes))

    def _grown(self, results: Results) -> Search:
        """The search on a larger grid; itself if the best setting is inside, or growth is over."""
        if self.growths == GROWTHS:
            return self
        try:
            best = self.choice(results).best
        except ValueError:
            return self
        # of settings that are equally good, one inside says that the grid is wide enough
        equal = [
            trial
            for trial in self.trials(results)
            if trial.mean == best.mean and len(trial.scores) == len(best.scores)
        ]
        ends = min((space.edges(trial.setting, self.axes) for trial in equal), key=len)
        if not ends:
            return self
        axes = list(self.axes)
        for place, end in ends:
            axes[place] = axes[place].grown(end)
        return Search(tuple(axes), self.seeds, self.growths + 1)


def trial_of(setting: Setting, results: Results, seeds: Iterable[int]) -> Trial:
    """What a setting has reached on those of the seeds that are measured."""
    scores = {seed: results[setting, seed] for seed in seeds if (setting, seed) in results}
    return Trial(
        setting,
        _column(scores, lambda score: score.score),
        _column(scores, lambda score: score.learning),
        sum(score.cpu_seconds for score in scores.values()),
    )


def _column(
    scores: Mapping[int, Score], read: Callable[[Score], float | None]
) -> dict[int, float | None]:
    return {seed: read(score) for seed, score in scores.items()}
