"""The page of a board, and the page that stands for its newest version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from jinja2 import Environment

from nanocl.boards import archive, citing, contents, manifest, reading
from nanocl.records import RunResult
from nanocl.reporting import captions, formats, leaderboard, statistics
from nanocl.reporting.ranking import Place, values_of
from nanocl.reporting.summaries import measure_of
from nanocl.site import figures, plots, words
from nanocl.site.board import Board, family

DOWNLOADS = (archive.FILE, "manifest.json", "CITATION.cff", "CHANGELOG.md")
LEFT_OUT = ("options", "vs best [95 %]")  # columns that stand on the pages of the learners
UP = "../../../"  # from a board's page to the home page


def files_of(
    board: Board, boards: Sequence[Board], templates: Environment
) -> Iterator[tuple[str, str | bytes]]:
    """Path and content of a board's page, its figures and its downloads."""
    shown = figures.of_board(board)
    tables = contents.tables(board.rows, board.recipes)
    versions = [one for one in boards if one.name == board.name]
    values = {
        "board": board,
        "title": words.title(board),
        "lines": captions.above(board.rows),
        "answers": [*words.answers(board)],
        "table": _table(board),
        "figures": shown,
        "versions": versions,
        "changes": _changes(board),
        "beside": _beside(versions) if len(versions) > 1 else [],
        "bibtex": _bibtex(board),
        "latex": tables["table.tex"],
        "rule": leaderboard.RULE,
        "families": sorted({family(row) for row in board.rows}),
        "downloads": ["table.csv", "table.tex", *(DOWNLOADS if board.source else ())],
        "command": words.command(_first(board), is_newest=board.is_newest),
    }
    page = templates.get_template("board.html").render(root=UP, **values)
    yield f"{board.folder}/index.html", page
    for name in ("table.csv", "table.tex"):
        yield f"{board.folder}/{name}", tables[name]
    for figure in shown:
        yield f"{board.folder}/{figure.name}.svg", figure.draw()
        yield f"{board.folder}/{figure.name}.csv", figure.numbers()
    if board.source:
        for name in DOWNLOADS:
            yield f"{board.folder}/{name}", (board.source.folder / name).read_bytes()


def choices(board: Board) -> Iterator[dict[str, Any]]:
    """What the chooser of the home page knows of each place, best first."""
    untested = " (not tested)" if board.ranking.preliminary else ""
    for (slug, place), order in zip(board.places(), range(len(board.rows)), strict=True):
        if order >= board.ranking.compared:
            return
        state = plots.mean_of(place.row, "state_bytes_per_parameter", board.ranking)
        yield {
            "board": words.title(board),
            "stream": board.spec.protocol,
            "scenario": board.spec.scenario,
            "learner": board.label(place),
            "page": f"{board.folder}/{slug}.html",
            "family": family(place.row),
            "state": f"{state:.3g}" if state is not None else "",
            "band": place.band,
            "score": words.score(place, board.ranking) + untested,
        }


def _first(board: Board) -> RunResult:
    return board.ranking.places[0].row.results[0]


def _table(board: Board) -> dict[str, Any]:
    """Header and rows of the ranking, each with its page, family and drawn interval."""
    made = leaderboard.board(board.rows)
    kept = [i for i, name in enumerate(made.header) if name not in LEFT_OUT]
    drawn, scale = _intervals(board)
    rows = []
    for number, ((slug, place), cells) in enumerate(zip(board.places(), made.rows, strict=True), 1):
        rows.append(
            {
                "number": number,
                "learner": board.label(place),
                "cells": [(made.header[i], cells[i]) for i in kept],
                "page": f"{slug}.html",
                "family": family(place.row),
                "drawn": drawn[number - 1],
            }
        )
    return {"header": [made.header[i] for i in kept], "rows": rows, "scale": scale}


def _intervals(board: Board) -> tuple[list[tuple[float, ...]], str]:
    """Low end, mean and high end of each score in percent of the range of all, and that range.

    A score that is undefined is empty.
    """
    ranking = board.ranking
    ends = [_ends(place, board) for place in ranking.places]
    known = [end for end in ends if end]
    low = min((end[0] for end in known), default=0.0)
    high = max((end[2] for end in known), default=1.0)
    width = (high - low) or 1.0

    def percent(value: float) -> float:
        return round(100 * (value - low) / width, 2)

    unit, measure = ranking.score.unit, measure_of(board.rows[0])
    scale = " to ".join(formats.number(end, unit, measure) for end in (low, high))
    return [tuple(map(percent, end)) for end in ends], scale


def _ends(place: Place, board: Board) -> tuple[float, ...]:
    score = board.ranking.score
    values = values_of(place.row, score.name, board.ranking.seeds)
    defined = [value for value in values if value is not None]
    if not defined:
        return ()
    middle = statistics.mean(defined)
    low, high = statistics.interval(defined, score.bounds(measure_of(place.row))) or (middle,) * 2
    return low, middle, high


def _beside(versions: Sequence[Board]) -> list[tuple[str, list[str]]]:
    """Each learner with its score in every version, `-` where it is not in it."""
    scores = [_scores(board) for board in versions]
    rows = []
    for name in dict.fromkeys(chain.from_iterable(scores)):
        rows.append((name, [one.get(name, "-") for one in scores]))
    return rows


def _scores(board: Board) -> dict[str, str]:
    places = board.ranking.places
    return {board.label(place): words.score(place, board.ranking) for place in places}


def _changes(board: Board) -> str:
    """What changed from the version before, in the words of its changelog."""
    if not board.source:
        return ""
    return (board.source.folder / "CHANGELOG.md").read_text(encoding="utf-8")


def _bibtex(board: Board) -> str:
    if not board.source:
        return ""
    given = board.source.manifest()
    known = reading.publication(board.source, manifest.identity_of(given))
    return citing.bibtex(citing.Publication(given, known["identity"], known["date"], known["url"]))
