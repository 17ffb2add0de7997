"""The learners of one call of `python -m nanocl.tune`, and what is known of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.compositions import Compositions
from nanocl.protocols.protocol import at
from nanocl.protocols.request import Request, options_for
from nanocl.protocols.validation import SCORES
from nanocl.records import RunResult, RunSpec, UserError
from nanocl.records.ranges import one_of
from nanocl.reporting import metrics
from nanocl.reporting.columns import Column
from nanocl.tuning import space, trials
from nanocl.tuning.recipe import Recipe
from nanocl.tuning.sampled import Sampled
from nanocl.tuning.search import FIRST_SEED, SEEDS, Score, Search
from nanocl.tuning.space import Setting
from nanocl.tuning.trials import Method

NO_STRATEGIES = ("stream", "model", "training")  # parts that every learner has
Key = tuple[Setting, int]  # a setting and a tuning seed


@dataclass
class Learner:
    """One arm or composition while it is tuned.

    Attributes:
        name: As the protocol or the caller names it.
        composition: Its strategies.
        fixed: The options of the arm and of the caller by part.
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

    @property
    def aside(self) -> str:
        """The folder within the results for options that `run` must not use; empty if it may.

        These are options found on the test data, and those found with another stream, model or
        training than the protocol's.
        """
        if not self.method.is_fair:
            return self.method.name
        return "changed-protocol" if self.request.changes_what_was_tuned_for else ""

    def learners(self) -> list[Learner]:
        """Those that the caller names, else those of the protocol that have something to tune.

        Raises:
            UserError: A learner that the caller names has nothing to tune.
        """
        # all names and options are checked, before anything is trained
        first = replace(self.request, seeds=(FIRST_SEED,), tuned=False)
        suite.specs(first, self.catalogue)
        name, _ = suite.find(self.request.stream, self.catalogue)
        named = Compositions(name, self._protocol(), first, self.catalogue).names()
        made = []
        for text, parts in named.items():
            try:
                made.append(self._learner(text, parts))
            except space.NothingToTune:
                if self.request.strategies:
                    raise
        if not made:
            raise UserError(f"no learner of {self.request.stream} has anything to tune")
        return made

    def _learner(self, text: str, parts: Sequence[str]) -> Learner:
        """An arm by its name, or a composition by its parts in the order in which it is run."""
        protocol = self._protocol()
        own = protocol["arm"].get(text, {}).get("options", {})
        fixed, given = {}, {}
        for part in parts:
            settings = options_for(self.request.settings, part)
            chosen = {**options_for(own, part), **settings}
            completed = self.catalogue.complete("strategies", part, chosen).options
            fixed[part] = {option: completed[option] for option in chosen}
            given[part] = {*chosen, *options_for(protocol["options"], part)}
        axes = space.axes(parts, self.catalogue, given)
        return Learner(
            name=text if text in protocol["arm"] else "+".join(parts),
            composition="+".join(parts),
            fixed={part: options for part, options in fixed.items() if options},
            search=self._search(tuple(axes)),
        )

    def _search(self, axes: tuple[space.Axis, ...]) -> Search | Sampled:
        if self.sampled:
            return Sampled(axes, self.sampled, self.cpu_seconds, self.seeds)
        return Search(axes, self.seeds)

    def pending(self, learner: Learner) -> dict[Key, RunSpec]:
        """The runs that a learner still needs; the search grows where its best value is an end."""
        learner.search, todo = learner.search.settled(learner.results)
        return {
            (setting, seed): trials.spec(
                self._request_for(learner), learner.name, setting, seed, self.method, self.catalogue
            )
            for setting, seed in todo
        }

    def _request_for(self, learner: Learner) -> Request:
        """The request without options of parts that only other learners have."""
        parts = learner.composition.split("+")
        names = {*NO_STRATEGIES, *parts, *(part.split(":")[0] for part in parts)}
        settings = {part: own for part, own in self.request.settings.items() if part in names}
        return replace(self.request, settings=settings)

    def take(self, learner: Learner, key: Key, result: RunResult) -> None:
        """Note what a run reached."""
        learner.results[key] = trials.score(result, self.score, metrics.learning_accuracy)

    def recipe(self, learner: Learner) -> Recipe:
        """The result for one learner whose search is over.

        Raises:
            ValueError: In every setting a run diverged.
        """
        asked = replace(self._request_for(learner), strategies=(learner.name,), seeds=(0,))
        (run,) = suite.specs(replace(asked, tuned=False), self.catalogue)
        return Recipe(
            protocol=run.protocol,
            protocol_hash=run.protocol_hash,
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


def column(name: str, request: Request, catalogue: Catalogue) -> Column:
    """The score of this name, else that of the protocol.

    Raises:
        UserError: No board has such a score, or the protocol is unknown.
    """
    _, protocol = suite.find(request.stream, catalogue)
    name = name or at(protocol, request.tier, request.scenario)["score"]
    one_of("--score", name, SCORES, UserError)
    return next(entry for entry in metrics.columns("accuracy") if entry.name == name)


def budget(learners: Sequence[Learner], seeds: int) -> str:
    """What each learner gets, a line each."""
    return "\n".join(
        f"{learner.name}: {learner.search.words}, {seeds} seeds" for learner in learners
    )
