"""The boards that the site shows: released versions, and present records that have none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nanocl.boards import contents, defined, names, reading, released, releasing
from nanocl.boards.released import Released
from nanocl.records import RunSpec, Summary, UserError, hash_of, plain
from nanocl.reporting.ranking import Place, Ranking, is_sweep, rank
from nanocl.reporting.screen import short_options
from nanocl.reporting.summaries import by_protocol, is_upper_bound, summarise

NOW = "now"  # stands for the version of present records
REPLAY = "stores samples"
PENALTY = "penalty or distillation"
OPTIMIZER = "optimizer alone"
BOUND = "upper bound"
STORED = {"memory_size", "mem_size", "patterns_per_experience"}  # the last two are Avalanche's
_UNSAFE = re.compile(r"[^a-z0-9.+=-]+")


@dataclass(frozen=True)
class Board:
    """A board at one version.

    Attributes:
        name: As in `python -m nanocl.report release NAME`.
        version: `v1.0`, or `NOW`.
        rows: Its rows.
        source: The released version; None for present records.
        is_newest: Whether no later version was released.
    """

    name: str
    version: str
    rows: Sequence[Summary]
    source: Released | None = None
    is_newest: bool = True

    @cached_property
    def ranking(self) -> Ranking:
        """The ranking of its rows."""
        return rank(self.rows)

    @cached_property
    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        """Learner to how its options were tuned; of a version, those that fit its manifest."""
        if not self.source:
            return contents.recipes_of(self.rows)
        expected = self.source.manifest()["tuning"]
        try:
            told = plain.read(self.source.folder / releasing.TUNING)
        except (OSError, ValueError):
            return {}
        return {
            learner: recipe
            for learner, recipe in told.items()
            if hash_of(recipe, 64) == expected.get(learner)
        }

    @property
    def spec(self) -> RunSpec:
        """The spec of one of its runs."""
        return self.rows[0].results[0].spec

    @property
    def folder(self) -> str:
        """Where its pages are."""
        return f"boards/{slug(self.name)}/{self.version}"

    def places(self) -> list[tuple[str, Place]]:
        """Its places with the name of the page of each learner."""
        return list(zip(self._slugs, self.ranking.places, strict=True))

    @cached_property
    def labels(self) -> Mapping[int, str]:
        """The id of a row to its learner, with the options in which it differs from its like."""
        options = short_options(self.rows)
        count = Counter(row.strategy for row in self.rows)
        return {
            id(row): f"{row.strategy} {text}".strip() if count[row.strategy] > 1 else row.strategy
            for row, text in zip(self.rows, options, strict=True)
        }

    def label(self, place: Place) -> str:
        """The learner of a place for readers."""
        return self.labels[id(place.row)]

    @cached_property
    def _slugs(self) -> list[str]:
        taken: dict[str, int] = {}
        made = []
        for place in self.ranking.places:
            name = slug(place.row.strategy)
            taken[name] = taken.get(name, 0) + 1
            made.append(name if taken[name] == 1 else f"{name}-{taken[name]}")
        return made


def slug(text: str) -> str:
    """A text as the name of a file."""
    return _UNSAFE.sub("-", text.lower()).strip("-.") or "unnamed"


def family(row: Summary) -> str:
    """What kind of learner a row is, from the options of its parts."""
    result = row.results[0]
    if is_upper_bound(result):
        return BOUND
    options = {name for part in result.spec.strategy for name in part.options}
    if options & STORED:
        return REPLAY
    is_plugin = any(part.name.startswith("avalanche:") for part in result.spec.strategy)
    is_more = is_plugin or "strength" in options or len(result.spec.strategy) > 1
    return PENALTY if is_more else OPTIMIZER


def collect(summaries: Sequence[Summary], results_root: Path) -> tuple[list[Board], list[str]]:
    """All boards, the newest version of each first, and a line for each damaged version."""
    found: list[Board] = []
    problems = []
    names_of_released = released.boards(results_root)
    for name in names_of_released:
        versions = list(reversed(released.versions(name, results_root)))
        for version in versions:
            try:
                rows = summarise(reading.results_of(version))
            except UserError as error:
                problems.append(str(error))
                continue
            newest = version == versions[0]
            found.append(Board(name, f"v{version.version}", rows, version, newest))
    found += [board for board in _present(summaries) if board.name not in names_of_released]
    return found, problems


def _present(summaries: Sequence[Summary]) -> Iterator[Board]:
    for rows in by_protocol(summaries):
        spec = rows[0].results[0].spec
        if defined.is_current(spec) and not is_sweep(rows):
            yield Board(names.name_of(spec), NOW, rows)
