"""Sentences of the site, computed from the boards."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from nanocl.plugins.named import PACKAGES
from nanocl.records import Part, RunResult
from nanocl.reporting import formats, statistics
from nanocl.reporting.ranking import Place, Ranking, values_of
from nanocl.reporting.summaries import measure_of
from nanocl.site.board import BOUND, OPTIMIZER, PENALTY, REPLAY, Board, family

MOST_NAMES = 4
USUAL_TIER = "cpu"  # that a call without --tier takes
# question to the families that its answer does not look at
QUESTIONS = (
    ("Any learner", (BOUND,)),
    ("Without stored samples", (BOUND, REPLAY)),
    ("Optimizer alone", (BOUND, REPLAY, PENALTY)),
)
# where options come from that a plain call takes by itself
BY_OPTIONS = ("default", "tuned", "published", "protocol", "sweep")


def title(board: Board) -> str:
    """Protocol and scenario of a board, and its tier unless it is the usual one."""
    spec = board.spec
    tier = "" if spec.tier == USUAL_TIER else f", tier {spec.tier}"
    return f"{spec.protocol}, {spec.scenario}-incremental{tier}"


def answers(board: Board) -> Iterator[tuple[str, str]]:
    """Each question with the best learner of a board and those that are not separable from it."""
    for question, left_out in QUESTIONS:
        places = [place for place in compared(board.ranking) if family(place.row) not in left_out]
        if places:
            yield question, _best(board, places)


def compared(ranking: Ranking) -> Sequence[Place]:
    """The places that have a rank or a test."""
    return ranking.places[: ranking.compared]


def _best(board: Board, places: Sequence[Place]) -> str:
    first, *others = places
    ranking = board.ranking
    text = f"{board.label(first)} {score(first, ranking)}"
    if ranking.preliminary:
        return f"{text} (too few seeds for a test)"
    if not others:
        return f"{text}, the only one"
    tied = [place for place in others if is_tied(place, first)]
    if not tied:
        return f"{text}, separable from every other"
    names = [f"{board.label(place)} {mean(place, ranking)}" for place in tied[:MOST_NAMES]]
    more = f" and {len(tied) - MOST_NAMES} more" if len(tied) > MOST_NAMES else ""
    return f"{text}; not separable from it: {', '.join(names)}{more}"


def is_tied(place: Place, other: Place) -> bool:
    """Whether the test does not separate two places."""
    return bool(set(place.band) & set(other.band))


def score(place: Place, ranking: Ranking) -> str:
    """The score of a place with its 95 % interval."""
    values = values_of(place.row, ranking.score.name, ranking.seeds)
    measure = measure_of(place.row)
    return formats.mean_and_interval(
        values, ranking.score.unit, measure, ranking.score.bounds(measure)
    )


def mean(place: Place, ranking: Ranking) -> str:
    """The mean score of a place."""
    values = [v for v in values_of(place.row, ranking.score.name, ranking.seeds) if v is not None]
    return formats.number(statistics.mean(values), ranking.score.unit, measure_of(place.row))


def headline(boards: Sequence[Board]) -> str:
    """Which optimizer alone is best over the tested boards, in one or two sentences."""
    tested = [board for board in boards if board.is_newest and not board.ranking.preliminary]
    wins = Counter(name for board in tested for name in _winners(board))
    if not wins:
        return "No board has enough seeds for a test yet."
    most = max(wins.values())
    names = ", ".join(sorted(name for name in wins if wins[name] == most)[:MOST_NAMES])
    if most == len(tested):
        return f"Among optimizers alone, {names} is in the best band of all {most} boards."
    return (
        "No optimizer alone is best everywhere: it depends on the stream. Most often it is not "
        f"separable from the best: {names}, on {most} of {len(tested)} boards."
    )


def _winners(board: Board) -> set[str]:
    """The best optimizer alone and those that are not separable from it."""
    plain = [p for p in compared(board.ranking) if family(p.row) == OPTIMIZER]
    return {place.row.strategy for place in plain if place is plain[0] or is_tied(place, plain[0])}


def command(run: RunResult, *, is_newest: bool = True) -> str:
    """The call that measures a run again, in a results folder of its own.

    Options that a call takes by itself are left out, but not of an older version: they may have
    been tuned anew since. A user's plugin is named by a file of its name, here.
    """
    spec = run.spec
    words = ["python", "-m", "nanocl.run", "--stream", spec.protocol, "--scenario", spec.scenario]
    if spec.tier != USUAL_TIER:
        words += ["--tier", spec.tier]
    own = {part.name: _file_of(part) for part in (*spec.strategy, spec.stream, spec.model)}
    learner = "+".join(own[part.name] or part.name for part in spec.strategy)
    words += ["--strategy", learner, "--seeds", f"{spec.seed},"]
    for part in (spec.stream, spec.model):
        words += ["--plugin", own[part.name]] if own[part.name] else []
    if not is_newest or spec.options_from not in BY_OPTIONS:
        for part in spec.strategy:
            for name, value in part.options.items():
                words += ["--set", f"{part.name}.{name}={value}"]
    # in the usual folder the record counts as measured
    return shlex.join([*words, "--results", "again"])


def _file_of(part: Part) -> str:
    """The reference to a part in a user's file, `lion.py:Lion` of `lion:Lion`; else empty."""
    module, colon, class_name = part.name.partition(":")
    if not part.plugin or "." in module or module in PACKAGES:
        return ""
    return f"{module.replace('-', '_')}.py{colon}{class_name}"
