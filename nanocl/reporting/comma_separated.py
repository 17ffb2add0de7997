"""Rows as CSV: every metric of every row with full numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from nanocl.records import Summary
from nanocl.reporting import inert, metrics, statistics
from nanocl.reporting.summaries import column_name, measure_of, measured_groups

HEADER = (
    "protocol_hash",
    "protocol",
    "tier",
    "scenario",
    "measure",
    "strategy",
    "options",
    "options_from",
    "seeds",
    "diverged",
    "kind",
    "metric",
    "n",
    "mean",
    "std",
    "low",
    "high",
)


def write(summaries: Sequence[Summary], kinds: Sequence[str]) -> str:
    """The header, and a line for each row and metric; nothing else, so that any reader takes it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for row in summaries:
        for kind in kinds:
            writer.writerows(_lines(row, kind))
    return out.getvalue()


def _lines(row: Summary, kind: str) -> Iterator[tuple]:
    """A line for each metric; for drift, for each group of weights."""
    start = (*_names(row), kind)
    measured = measured_groups([row], kind)
    for column in metrics.columns(kind):
        for group in metrics.GROUPS if kind == "drift" else ("",):
            name = column_name(column, group)
            values = [value for value in row.columns[name] if value is not None]
            if values:
                yield (*start, name, len(values), *_numbers(values, column.bounds(measure_of(row))))
            elif group in measured:
                yield (*start, name, 0, "", "", "", "")


def _names(row: Summary) -> tuple[str, ...]:
    spec = row.results[0].spec
    names = (
        row.protocol_hash,
        spec.protocol,
        spec.tier,
        spec.scenario,
        measure_of(row),
        row.strategy,
        row.options,
        row.options_from,
        " ".join(map(str, row.seeds)),
        " ".join(map(str, row.diverged)),
    )
    return tuple(map(inert.comma_separated, names))


def _numbers(
    values: Sequence[float], bounds: tuple[float, float]
) -> tuple[float | str | None, ...]:
    """Mean, standard deviation and ends of the interval; only the mean for one value."""
    mean = statistics.mean(values)
    ends = statistics.interval(values, bounds)
    if ends is None:
        return mean, "", "", ""
    # ten digits: t quantiles differ in the last bits between builds of scipy
    low, high = (f"{end:.10g}" for end in ends)
    return mean, statistics.deviation(values), low, high
