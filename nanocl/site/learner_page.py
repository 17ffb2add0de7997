"""The page of a learner on a board: matrix, curves, drift, options, tuning, records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment

from nanocl.records import RunResult, Summary
from nanocl.reporting import formats, statistics
from nanocl.reporting.metrics import average_accuracy
from nanocl.reporting.ranking import Place
from nanocl.reporting.summaries import measure_of
from nanocl.site import figures, plots, words
from nanocl.site.board import Board, family
from nanocl.site.board_page import UP

MOST_LAYERS = 12


def files_of(board: Board, templates: Environment) -> Iterator[tuple[str, str | bytes]]:
    """Path and content of the page of each learner and of its figures."""
    for slug, place in board.places():
        shown = figures.of_learner(place.row)
        page = templates.get_template("learner.html").render(
            root=UP, slug=slug, figures=shown, **_values(board, place)
        )
        yield f"{board.folder}/{slug}.html", page
        for figure in shown:
            yield f"{board.folder}/{slug}-{figure.name}.svg", figure.draw()
            yield f"{board.folder}/{slug}-{figure.name}.csv", figure.numbers()


def _values(board: Board, place: Place) -> dict[str, Any]:
    row = place.row
    return {
        "board": board,
        "title": words.title(board),
        "learner": board.label(place),
        "place": place,
        "family": family(row),
        "score": words.score(place, board.ranking),
        "score_title": board.ranking.score.title,
        "parts": row.results[0].spec.strategy,
        "options_from": row.options_from,
        "recipe": _recipe(board, row),
        "layers": _layers(row),
        "runs": [_run(run, row) for run in row.results],
        "command": words.command(row.results[0], is_newest=board.is_newest),
        "environment": row.results[0].environment,
    }


def _recipe(board: Board, row: Summary) -> Mapping[str, Any]:
    """How the options were tuned; empty for options that were not."""
    return board.recipes.get(f"{row.strategy} {row.options}".strip(), {})


def _layers(row: Summary) -> list[tuple[str, str, str]]:
    """The tensors that moved most, with L2 and relative distance at the end, means over seeds."""
    runs = plots.finished(row)
    if not runs:
        return []
    moved = []
    for name, (_, relative) in runs[0].drift[-1].layers.items():
        mean = statistics.mean([run.drift[-1].layers[name][0] for run in runs])
        shown = "-"
        if relative is not None:
            shown = f"{statistics.mean([_relative(run, name) for run in runs]):.3g}"
        moved.append((mean, name, shown))
    largest = sorted(moved, reverse=True)[:MOST_LAYERS]
    return [(name, f"{mean:.3g}", shown) for mean, name, shown in largest]


def _relative(run: RunResult, name: str) -> float:
    return run.drift[-1].layers[name][1] or 0.0


def _run(run: RunResult, row: Summary) -> dict[str, Any]:
    """A record as a line of a table."""
    score = "diverged"
    if run.status == "ok":
        place = row.seeds.index(run.spec.seed)
        value = row.columns[average_accuracy.name][place]
        if value is not None:
            score = formats.number(value, average_accuracy.unit, measure_of(row))
    return {
        "seed": run.spec.seed,
        "digest": run.spec.digest,
        "score": score,
        "file": f"runs/{run.spec.protocol}/{run.spec.tier}",
    }
