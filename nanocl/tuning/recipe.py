"""What tuning found, as a `[[baseline]]` that `nanocl.run` uses and anybody can check."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from nanocl.protocols import baselines
from nanocl.records import files
from nanocl.tuning import space
from nanocl.tuning.choice import Choice, Trial
from nanocl.tuning.sampled import Sampled
from nanocl.tuning.search import FIRST_SEED, Search
from nanocl.tuning.trials import Method


@dataclass(frozen=True)
class Recipe:
    """The result of tuning one learner.

    Attributes:
        protocol, tier, scenario: What it was tuned for.
        protocol_hash: That of the runs that are to use it, see `RunSpec.protocol_hash`.
        learner: The arm or composition, as the protocol names it.
        composition: Its strategies.
        fixed: The options of the arm and of the caller by part.
        search: What was tried: the grid, as large as it became, or the ranges.
        trials: What each setting reached.
        choice: The setting to use.
        method: The data that scored it.
        score: Title of the column that was maximised.
    """

    protocol: str
    protocol_hash: str
    tier: str
    scenario: str
    learner: str
    composition: str
    fixed: Mapping[str, Mapping[str, Any]]
    search: Search | Sampled
    trials: Sequence[Trial]
    choice: Choice
    method: Method
    score: str

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """The options of the learner by part, those that were fixed included."""
        options = {part: dict(values) for part, values in self.fixed.items()}
        for part, option, value in self.choice.winner.setting:
            options.setdefault(part, {})[option] = value
        return options

    @property
    def cpu_seconds(self) -> float:
        """What they took of the processor."""
        return sum(trial.cpu_seconds for trial in self.trials)

    @property
    def runs(self) -> int:
        """Runs that were measured to choose."""
        return sum(len(trial.scores) for trial in self.trials)


def how(recipe: Recipe) -> str:
    """How the options were found, in one sentence for the notes of a table."""
    winner, runner_up = recipe.choice.winner, recipe.choice.runner_up
    seeds = recipe.search.seeds
    text = (
        f"{space.text(winner.setting)} of {recipe.search.words} ({recipe.runs} runs, seeds "
        f"{FIRST_SEED} to {FIRST_SEED + seeds - 1}) by {recipe.score} on {recipe.method.words}: "
        f"{number(winner.mean)}{_at_end(recipe)}"
    )
    if runner_up is None:
        return text
    verb = "is separable from it" if recipe.choice.separable else "is not separable from it"
    return f"{text}; {space.text(runner_up.setting)} reached {number(runner_up.mean)} and {verb}"


def _at_end(recipe: Recipe) -> str:
    """Says that a wider grid might hold a better setting; empty if the best one is inside."""
    ends = space.edges(recipe.choice.best.setting, recipe.search.axes)
    return " (the best value is at an end of what was tried)" if ends else ""


def write(recipe: Recipe, folder: Path) -> Path:
    """Write the recipe into `<folder>/<protocol>/<learner>.toml`, atomically.

    Entries for other tiers and scenarios stay.

    Raises:
        UserError: The file is there and contains a mistake.
        OSError: It cannot be written.
    """
    path = baselines.path_of(Path(folder), recipe.protocol, recipe.learner)
    place = (recipe.tier, recipe.scenario)
    kept = [
        entry for entry in baselines.entries(path) if (entry["tier"], entry["scenario"]) != place
    ]
    entries = sorted([*kept, _entry(recipe)], key=lambda entry: (entry["scenario"], entry["tier"]))
    return files.write(path, tomli_w.dumps({"baseline": entries}))


def _entry(recipe: Recipe) -> dict[str, Any]:
    choice = recipe.choice
    return {
        "tier": recipe.tier,
        "scenario": recipe.scenario,
        "how": how(recipe),
        "strategy": recipe.composition,
        "options": recipe.options,
        "tuning": {
            "protocol": recipe.protocol_hash,
            "method": recipe.method.name,
            "score": recipe.score,
            "seeds": list(range(FIRST_SEED, FIRST_SEED + recipe.search.seeds)),
            "space": {f"{a.part}.{a.option}": list(a.values) for a in recipe.search.axes},
            "grown": recipe.search.growths,
            "runs": recipe.runs,
            "cpu_seconds": round(recipe.cpu_seconds, 1),
            "within_one_standard_error": choice.within,
            "runner_up": space.text(choice.runner_up.setting) if choice.runner_up else "",
            "separable": choice.separable,
            "trial": [_trial(trial) for trial in recipe.trials],
        },
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "setting": space.text(trial.setting),
        "mean": _rounded(trial.mean),
        "scores": [_rounded(value) for value in trial.scores.values()],
        "learning": [_rounded(value) for value in trial.learning.values()],
    }


def _rounded(value: float | None) -> float | str:
    """Five digits; TOML knows no null, and a diverged run has no number."""
    if value is None or math.isinf(value):
        return "diverged"
    return round(value, 5)


def number(mean: float) -> str:
    """A mean score for people: percent, or the loss itself, which counts as negative."""
    return f"{100 * mean:.2f} %" if 0 <= mean <= 1 else f"{-mean:.4g}"


def standard_error(trial: Trial) -> float:
    """Of the mean score over seeds; 0 for a single seed or a diverged run."""
    values = [value for value in trial.scores.values() if value is not None]
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
