"""The learners of one call of `python -m nanocl.tune`, and what is known of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite, sweeps
from nanocl.protocols.protocol import at
from nanocl.protocols.request import Request
from nanocl.records import RunResult, RunSpec, UserError
from nanocl.reporting import metrics
from nanocl.reporting.columns import Column
from nanocl.tuning import space, trials
from nanocl.tuning.recipe import Recipe
from nanocl.tuning.sampled import Sampled
from nanocl.tuning.search import SEEDS, Score, Search
from nanocl.tuning.space import Setting
from nanocl.tuning.trials import Method

Key = tuple[Setting, int]  # a setting and a tuning seed


@dataclass
class Learner:
    """One arm or composition while it is tuned.

    Attributes:
        name: As the protocol or the caller names it.
        composition: Its strategies.
        fixed: The arm's own options by part.
        search: What is tried.
        results: What was measured.
    """

    name: str
    composition: str
    fixed: Mapping[str, Mapping[str, Any]]
    search: Search | Sampled
    results: dict[Key, Score] = field(default_factory=dict)


@dataclass(frozen=True)
class Campaign:
    """Tuning of several learners for one protocol, all with the same budget.

    Attributes:
        request: The protocol, and options of the caller that hold for every learner.
        method: The data that scores them.
        score: The column to maximise.
        catalogue: All plugins.
        seeds: Tuning seeds of each setting.
        sampled: Settings that TPE proposes; 0 for the grid.
        cpu_seconds: With TPE, no setting is proposed after so many CPU seconds of a learner's runs.
    """

    request: Request
    method: Method
    score: Column
    catalogue: Catalogue
    seeds: int = SEEDS
    sampled: int = 0
    cpu_seconds: float = math.inf

    def learners(self) -> list[Learner]:
        """Those that the caller names, else those of the protocol that have something to tune.

        Raises:
            UserError: A learner that the caller names has nothing to tune.
        """
        protocol = self._protocol()
        made = []
        for name in self.request.strategies or protocol["strategies"]:
            composition = sweeps.composition(name, protocol)
            fixed = protocol["arm"].get(name, {}).get("options", {})
            try:
                axes = space.axes(composition.split("+"), self.catalogue)
            except UserError:
                if self.request.strategies:
                    raise
                continue
            made.append(Learner(name, composition, fixed, self._search(tuple(axes))))
        if not made:
            raise UserError(f"no learner of {self.request.stream} has anything to tune")
        return made

    def _search(self, axes: tuple[space.Axis, ...]) -> Search | Sampled:
        if self.sampled:
            return Sampled(axes, self.sampled, self.cpu_seconds, self.seeds)
        return Search(axes, self.seeds)

    def pending(self, learner: Learner) -> dict[Key, RunSpec]:
        """The runs that a learner still needs; the search grows where its best value is an end."""
        learner.search, todo = learner.search.settled(learner.results)
        return {
            (setting, seed): trials.spec(
                self.request, learner.name, setting, seed, self.method, self.catalogue
            )
            for setting, seed in todo
        }

    def take(self, learner: Learner, key: Key, result: RunResult) -> None:
        """Note what a run reached."""
        learner.results[key] = trials.score(result, self.score, metrics.learning_accuracy)

    def recipe(self, learner: Learner) -> Recipe:
        """The result for one learner whose search is over.

        Raises:
            ValueError: In every setting a run diverged.
        """
        name, _ = suite.find(self.request.stream, self.catalogue)
        return Recipe(
            protocol=name,
            tier=self.request.tier,
            scenario=self._protocol()["scenario"],
            learner=learner.name,
            composition=learner.composition,
            fixed=learner.fixed,
            search=learner.search,
            trials=learner.search.trials(learner.results),
            choice=learner.search.choice(learner.results),
            method=self.method,
            score=self.score.title,
        )

    def _protocol(self) -> dict[str, Any]:
        _, protocol = suite.find(self.request.stream, self.catalogue)
        return at(protocol, self.request.tier, self.request.scenario)


def column(name: str) -> Column:
    """The column of accuracy of this name.

    Raises:
        UserError: There is none.
    """
    by_name = {entry.name: entry for entry in metrics.columns("accuracy")}
    if name not in by_name:
        raise UserError(f"--score {name}: no column of that name; known are {', '.join(by_name)}")
    return by_name[name]


def budget(learners: Sequence[Learner], seeds: int) -> str:
    """What each learner gets, a line each."""
    return "\n".join(
        f"{learner.name}: {learner.search.words}, {seeds} seeds" for learner in learners
    )
