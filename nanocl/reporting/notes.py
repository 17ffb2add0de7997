"""The notes below a table: definitions of columns, origin of options, reasons for empty cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from nanocl.protocols import baselines
from nanocl.records import Summary
from nanocl.reporting import origins, outdated, statistics
from nanocl.reporting.columns import Column, Evaluation, Undefined
from nanocl.reporting.publications import label
from nanocl.reporting.summaries import column_name, compute, measure_of, references, results_of


def below(
    summaries: Sequence[Summary],
    kind: str,
    columns: Sequence[Column],
    groups: Sequence[str],
    brief: bool,
) -> tuple[str, ...]:
    """The notes of one table.

    `brief` leaves out how options were tuned, reasons, sources, and the definitions of costs.
    """
    notes = [*_notes(summaries, kind)]
    if kind == "accuracy" and not brief:
        notes += _tuning(summaries)
    if not brief:
        notes += _reasons(summaries, columns, groups)
    if not (brief and kind == "cost"):
        notes += [_definition(column, brief) for column in columns]
    return tuple(notes)


def _notes(summaries: Sequence[Summary], kind: str) -> Iterator[str]:
    intervals = ""
    if kind == "accuracy":
        intervals = ", with brackets mean [95 % interval of the mean, Student's t]"
    yield f"cells are mean ± standard deviation over seeds{intervals}; `-` is undefined, never 0"
    if any(row.diverged for row in summaries):
        yield "diverged: runs whose loss became infinite or NaN, left out of seeds and means"
    if any(len(row.seeds) < statistics.FEWEST_TESTED for row in summaries):
        yield f"preliminary: rows with fewer than {statistics.FEWEST_TESTED} seeds are not tested"
    yield from origins.mixed(summaries)
    yield from outdated.rows(summaries)
    if kind == "drift":
        yield (
            "w: trainable weights, w_i after experience i; backbone: all but the output layer "
            "(head)"
        )
    if kind == "accuracy" and measure_of(summaries[0]) == "accuracy":
        yield (
            "R[i][j]: accuracy on experience j after training on experience i, in percent; T "
            "experiences"
        )
    elif kind == "accuracy":
        yield (
            "R[i][j]: test loss on experience j after training on experience i, lower is better, "
            "so every difference changes sign and min ACC is the largest loss; T experiences"
        )


def _tuning(summaries: Sequence[Summary]) -> Iterator[str]:
    """How the options of each tuned row were tuned."""
    for row in summaries:
        if "tuned" in row.options_from.split("/"):
            baseline = baselines.of_run(row.results[0].spec)
            how = baseline.get("how", "by a baseline that this version of nanocl does not have")
            yield f"tuned, {row.strategy}: {how}"


def _reasons(
    summaries: Sequence[Summary],
    columns: Sequence[Column],
    groups: Sequence[str],
) -> Iterator[str]:
    """Why a cell is `-`."""
    joint = references(results_of(summaries))
    reasons: dict[str, None] = {}
    for row, column, group in itertools.product(summaries, columns, groups):
        if None in row.columns[column_name(column, group)]:
            reasons[f"`-` in {column.title}: {_reason(row, column, group, joint)}"] = None
    yield from reasons


def _reason(
    row: Summary,
    column: Column,
    group: str,
    joint: Mapping[int, Evaluation],
) -> str:
    for run in row.results:
        try:
            if run.status == "ok":
                compute(column, group, run, joint)
        except Undefined as reason:
            return str(reason)
    return "no run was measured"


def _definition(column: Column, brief: bool) -> str:
    sources = "" if brief else "; ".join(map(label, column.source))
    formula = set("[]|_") & set(column.definition)
    definition = f"`{column.definition}`" if formula else column.definition
    return f"{column.title}: {definition}" + (f" ({sources})" if sources else "")
