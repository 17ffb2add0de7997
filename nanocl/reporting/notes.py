"""What stands below a table: what its cells, columns and recipes mean, and why some cells are empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nanocl.protocols import baselines
from nanocl.records import Summary
from nanocl.reporting import citation, statistics
from nanocl.reporting.metrics import Column, Evaluation, Undefined
from nanocl.reporting.summaries import column_name, compute, measure_of, references


def below(
    summaries: Sequence[Summary],
    kind: str,
    columns: Sequence[Column],
    groups: Sequence[str],
    brief: bool,
) -> tuple[str, ...]:
    """The notes of one table; `brief` leaves out recipes, reasons, sources, and the definitions of costs."""
    recipes = _recipes(summaries) if kind == "accuracy" and not brief else ()
    reasons = () if brief else _reasons(summaries, columns, groups)
    defined = (_definition(column, brief) for column in columns if not (brief and kind == "cost"))
    return (*_notes(summaries, kind), *recipes, *reasons, *defined)


def _notes(summaries: Sequence[Summary], kind: str) -> Iterator[str]:
    yield "cells are mean ± standard deviation over seeds; `-` is undefined, never 0"
    if any(row.diverged for row in summaries):
        yield "diverged: runs whose loss became infinite or NaN; seeds and means leave them out"
    if any(len(row.seeds) < statistics.FEWEST_SEEDS for row in summaries):
        yield f"rows with fewer than {statistics.FEWEST_SEEDS} seeds are not tested"
    if kind == "drift":
        yield "w: trainable weights, w_i after experience i; backbone leaves out the output layer (head)"
    if kind == "accuracy" and measure_of(summaries[0]) == "accuracy":
        yield "R[i][j]: accuracy on experience j after training on experience i, in percent; T experiences"
    elif kind == "accuracy":
        yield (
            "R[i][j]: test loss on experience j after training on experience i, lower is better, so every "
            "difference changes sign and min ACC is the largest loss; T experiences"
        )


def _recipes(summaries: Sequence[Summary]) -> Iterator[str]:
    """How the options of each tuned row were found."""
    for row in summaries:
        if "tuned" in row.options_from.split("/"):
            spec = row.results[0].spec
            baseline = baselines.baseline(spec.protocol, spec.tier, spec.scenario, row.strategy)
            tuned = {
                part.name: baseline.get("options", {}).get(part.name, {}) for part in spec.strategy
            }
            same = any(tuned.values()) and all(
                part.options.get(name) == value
                for part in spec.strategy
                for name, value in tuned[part.name].items()
            )
            how = (
                baseline["how"] if same else "by a recipe that this version of nanocl does not have"
            )
            yield f"tuned, {row.strategy}: {how}"


def _reasons(
    summaries: Sequence[Summary], columns: Sequence[Column], groups: Sequence[str]
) -> Iterator[str]:
    """Why a cell is `-`."""
    joint = references(run for row in summaries for run in row.results)
    found: dict[str, None] = {}
    for row in summaries:
        for column in columns:
            for group in groups:
                if None in row.columns[column_name(column, group)]:
                    found.setdefault(f"`-` in {column.title}: {_reason(row, column, group, joint)}")
    yield from found


def _reason(row: Summary, column: Column, group: str, joint: Mapping[int, Evaluation]) -> str:
    for run in row.results:
        try:
            if run.status == "ok":
                compute(column, group, run, joint)
        except Undefined as reason:
            return str(reason)
    return "no run was measured"


def _definition(column: Column, brief: bool) -> str:
    sources = "" if brief else "; ".join(citation.label(key) for key in column.source)
    formula = set("[]|_") & set(column.definition)
    definition = f"`{column.definition}`" if formula else column.definition
    return f"{column.title}: {definition}" + (f" ({sources})" if sources else "")
