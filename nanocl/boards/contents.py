"""What a version of a board holds, computed from its records: tables, statistics, tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from nanocl.protocols import baselines
from nanocl.records import Summary
from nanocl.reporting import (
    comma_separated,
    discriminability,
    formats,
    inert,
    leaderboard,
    metrics,
    pairs,
    statistics,
)
from nanocl.reporting.formats import Table
from nanocl.reporting.ranking import rank
from nanocl.reporting.summaries import results_of

# Raise it when a page of a board or its metadata looks different for the same records: released
# versions with another number are verified by their numbers and hashes.
LAYOUT = 2
DIGITS = 6  # of computed statistics: the last bits differ between builds of numpy and scipy
# columns that a table on paper does not have; its notes and table.csv say the rest
LEFT_OUT = ("options", "seeds", "vs best", "CPU s", "note")
Recipes = Mapping[str, Mapping[str, Any]]


def label(row: Summary) -> str:
    """The learner of a row as people write it: its strategy, and its options if it has any."""
    return f"{row.strategy} {row.options}".strip()


def tables(rows: Sequence[Summary], recipes: Recipes) -> dict[str, str]:
    """The board as `table.md`, `table.tex` and `table.csv`, which has all metrics."""
    table = leaderboard.board(rows)
    tuned = replace(table, below=(*table.below, *_tuning_notes(rows, recipes)))
    page = f"{formats.markdown(tuned, 1)}\n## How rows are ranked\n\n{leaderboard.RULE}"
    return {
        "table.md": inert.page(page),
        "table.csv": comma_separated.write(rows, metrics.KINDS),
        "table.tex": formats.latex(_for_print(table)),
    }


def _for_print(table: Table) -> Table:
    """The table for a page of paper: few columns; options and reasons become notes."""
    strategy = table.header.index("strategy")
    cells = [dict(zip(table.header, row, strict=True)) for row in table.rows]
    options = list(dict.fromkeys(filter(None, (row.get("options", "") for row in cells))))
    marks = {text: f"[{number}]" for number, text in enumerate(options, 1)}
    notes = [f"{mark} {text}" for text, mark in marks.items()]
    rows = []
    for row, values in zip(table.rows, cells, strict=True):
        name = f"{row[strategy]} {marks.get(values.get('options', ''), '')}".strip()
        rows.append((*row[:strategy], name, *row[strategy + 1 :]))
        if "not ranked" in values["note"]:
            notes.append(f"{name}: {values['note']}")
    kept = [i for i, name in enumerate(table.header) if not name.startswith(LEFT_OUT)]
    return replace(
        table,
        title="Leaderboard",
        header=_chosen(table.header, kept),
        rows=tuple(_chosen(row, kept) for row in rows),
        below=(*notes, *table.below),
        names=strategy + 1,
        bold=(table.bold[0], kept.index(table.bold[1])) if table.bold else None,
    )


def _chosen(cells: Sequence[str], kept: Sequence[int]) -> tuple[str, ...]:
    return tuple(cells[i] for i in kept)


def board_statistics(rows: Sequence[Summary]) -> dict[str, Any]:
    """The settings of the statistics, and what they say of the whole board."""
    ranking = rank(rows)
    power = ranking.power
    return {
        "confidence": statistics.CONFIDENCE,
        "test": "step-down max-|t| over joint sign flips (Westfall and Young, 1993)",
        "exact_up_to_seeds": pairs.EXACT_UP_TO,
        "drawn_flips": pairs.DRAWN,
        "drawn_with_seed": pairs.DRAWN_WITH,
        "fewest_tested_seeds": statistics.FEWEST_TESTED,
        "rank_resamples": statistics.RESAMPLES,
        "ranks_from": discriminability.RANKS_FROM,
        "power": discriminability.POWER,
        "score": ranking.score.name,
        "seeds": list(ranking.seeds),
        "compared_rows": ranking.compared,
        "discriminability": _rounded({**asdict(power), "share": power.share}) if power else None,
    }


def environments(rows: Sequence[Summary]) -> list[dict[str, Any]]:
    """The different environments of the records: versions and types of CPU."""
    different = {repr(run.environment): run.environment for run in results_of(rows)}
    return [asdict(different[key]) for key in sorted(different)]


def recipes_of(rows: Sequence[Summary]) -> dict[str, dict[str, Any]]:
    """Learner to the tuned baseline that its options come from, for rows with tuned options."""
    recipes = {}
    for row in rows:
        if "tuned" in row.options_from.split("/"):
            recipe = baselines.of_run(row.results[0].spec)
            if recipe:
                recipes[label(row)] = recipe
    return recipes


def _tuning_notes(rows: Sequence[Summary], recipes: Recipes) -> list[str]:
    return [
        f"tuned, {label(row)}: {recipes[label(row)]['how']}"
        for row in rows
        if label(row) in recipes
    ]


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {
        name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for name, value in values.items()
    }
